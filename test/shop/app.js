'use strict';
const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = express();
app.use(express.json());

app.get('/health', (request, response) => response.json({ ok: true }));

app.get('/customers/:id/orders', async (request, response) => {
  const { rows } = await pool.query('SELECT id, total_cents, status FROM orders WHERE customer_id = $1 ORDER BY id', [request.params.id]);
  response.json(rows);
});

app.get('/orders/:id', async (request, response) => {
  const { rows } = await pool.query('SELECT * FROM orders WHERE id = $1', [request.params.id]);
  const lines = await pool.query('SELECT product_id, quantity FROM order_lines WHERE order_id = $1 ORDER BY id', [request.params.id]);
  const items = [];
  for (const line of lines.rows) {
    const product = await pool.query('SELECT name, price_cents FROM products WHERE id = $1', [line.product_id]);
    items.push({ ...product.rows[0], quantity: line.quantity });
  }
  response.json({ ...rows[0], items });
});

app.get('/products/:sku', async (request, response) => {
  const { rows } = await pool.query('SELECT id, name FROM products WHERE upper(sku) = upper($1)', [request.params.sku]);
  if (rows.length === 0) return response.status(404).json({ error: 'unknown product' });
  return response.json(rows[0]);
});

app.post('/orders/:id/notes', async (request, response) => {
  const { rows } = await pool.query('INSERT INTO notes (order_id, text) VALUES ($1, $2) RETURNING id', [
    request.params.id,
    request.body.text,
  ]);
  response.status(201).json(rows[0]);
});

app.listen(Number(process.env.PORT), '127.0.0.1');
