/* The same few routes served by the framework that FRAMEWORK names, loaded as MODULES says: by import or by require. */
import { createRequire } from 'node:module';
import 'reflect-metadata';

const require = createRequire(import.meta.url);

async function load(imported, required) {
  if (process.env.MODULES === 'import') return imported();
  const exported = required();
  return { ...exported, default: exported.default ?? exported };
}

const serving = {
  async express() {
    const { default: express } = await load(
      () => import('express'),
      () => require('express'),
    );
    const app = express();
    app.use((request, response, next) => {
      if (request.get('authorization') === 'refused') response.sendStatus(401);
      else next();
    });
    const orders = express.Router({ mergeParams: true });
    orders.get('/:order', (request, response) => response.json(request.params));
    app.use('/shops/:shop/orders', orders);
    app.get('/authors/:name', (request, response) => response.json(request.params));
    app.get('/failing/:name', (_request, response) => response.sendStatus(500));
    return app.listen(0, '127.0.0.1');
  },
  async fastify() {
    const { default: fastify } = await load(
      () => import('fastify'),
      () => require('fastify'),
    );
    const app = fastify();
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers.authorization === 'refused') await reply.code(401).send({});
    });
    await app.register(async (orders) => orders.get('/:order', async (request) => request.params), { prefix: '/shops/:shop/orders' });
    app.get('/authors/:name', async (request) => request.params);
    app.get('/failing/:name', async () => {
      throw new Error('on purpose');
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  async koa() {
    const { default: Koa } = await load(
      () => import('koa'),
      () => require('koa'),
    );
    const { default: Router } = await load(
      () => import('@koa/router'),
      () => require('@koa/router'),
    );
    const app = new Koa();
    app.use(async (context, next) => {
      if (context.get('authorization') === 'refused') context.status = 401;
      else await next();
    });
    const orders = new Router({ prefix: '/shops/:shop/orders' });
    orders.get('/:order', (context) => {
      context.body = context.params;
    });
    const router = new Router();
    router.get('/authors/:name', (context) => {
      context.body = context.params;
    });
    router.get('/failing/:name', () => {
      throw new Error('on purpose');
    });
    app.silent = true;
    app.use(orders.routes()).use(router.routes());
    return app.listen(0, '127.0.0.1');
  },
  async hono() {
    const { Hono } = await load(
      () => import('hono'),
      () => require('hono'),
    );
    const { serve } = await load(
      () => import('@hono/node-server'),
      () => require('@hono/node-server'),
    );
    const app = new Hono();
    app.use('*', async (context, next) => (context.req.header('authorization') === 'refused' ? context.body(null, 401) : next()));
    const orders = new Hono();
    orders.get('/:order', (context) => context.json(context.req.param()));
    app.route('/shops/:shop/orders', orders);
    app.get('/authors/:name', (context) => context.json(context.req.param()));
    app.get('/failing/:name', (context) => context.body(null, 500));
    return serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  },
  async nest() {
    const { Controller, Get, Module, HttpException, Param, UseGuards } = await load(
      () => import('@nestjs/common'),
      () => require('@nestjs/common'),
    );
    const { NestFactory } = await load(
      () => import('@nestjs/core'),
      () => require('@nestjs/core'),
    );
    // Decorators are functions: this file runs as it is.
    const decorate = (target, name, ...decorators) => {
      for (const decorator of decorators) decorator(target.prototype, name, Object.getOwnPropertyDescriptor(target.prototype, name));
    };
    class Guard {
      canActivate(context) {
        if (context.switchToHttp().getRequest().headers.authorization === 'refused') throw new HttpException('refused', 401);
        return true;
      }
    }
    class Authors {
      find(name) {
        return { name };
      }
      fail() {
        throw new Error('on purpose');
      }
    }
    decorate(Authors, 'find', Get('authors/:name'));
    Param('name')(Authors.prototype, 'find', 0);
    decorate(Authors, 'fail', Get('failing/:name'));
    Controller()(Authors);
    UseGuards(Guard)(Authors);
    class Orders {
      find() {
        return {};
      }
    }
    decorate(Orders, 'find', Get(':order'));
    Controller('shops/:shop/orders')(Orders);
    function App() {}
    Module({ controllers: [Authors, Orders] })(App);
    const app = await NestFactory.create(App, { logger: false });
    await app.listen(0, '127.0.0.1');
    return app.getHttpServer();
  },
};

const server = await serving[process.env.FRAMEWORK]();
if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
process.stdout.write(`listening ${server.address().port}\n`);
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
