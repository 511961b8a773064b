-- 60,000 orders of 3,000 customers: looking one customer up without an index reads every page.
CREATE TABLE products (id int PRIMARY KEY, sku text NOT NULL, name text NOT NULL, price_cents int NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, total_cents int NOT NULL);
CREATE TABLE order_lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, product_id int NOT NULL REFERENCES products, quantity int NOT NULL);
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id int NOT NULL, text text NOT NULL);

INSERT INTO products SELECT n, 'SKU-' || n, 'Product ' || n, 100 + n % 900 FROM generate_series(1, 5000) n;
INSERT INTO orders SELECT n, 1 + n::bigint * 7919 % 3000, (ARRAY['open', 'paid', 'sent'])[1 + n % 3], 500 + n % 10000 FROM generate_series(1, 60000) n;
INSERT INTO order_lines SELECT n, 1 + (n - 1) / 3, 1 + n::bigint * 104729 % 5000, 1 + n % 4 FROM generate_series(1, 180000) n;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
ANALYZE;
