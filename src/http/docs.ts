/** `/docs`: the API described for people, tried out in the browser. All of it comes from this process: no CDN, a strict policy. */
import { fastifySwagger } from '@fastify/swagger';
import { fastifySwaggerUi } from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import type { Pipeline } from './pipeline.ts';

/** The viewer draws icons from data URLs; it needs no inline script and no inline style sheet. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function registerDocs(app: FastifyInstance, openApi: Record<string, unknown>, pipeline: Pipeline): void {
  app.register(async (scope) => {
    scope.addHook('onRequest', (request, reply, done) => {
      const context = pipeline.begin(request.raw, reply.raw, '/docs');
      try {
        pipeline.admit(context, false);
      } catch (thrown) {
        reply.hijack();
        pipeline.fail(context, thrown);
        return;
      }
      reply.headers({ ...context.headers, 'cache-control': 'no-cache', 'content-security-policy': POLICY });
      done();
    });
    await scope.register(fastifySwagger);
    await scope.register(fastifySwaggerUi, {
      routePrefix: '/docs',
      transformSpecification: () => openApi,
      transformSpecificationClone: false,
      uiConfig: { docExpansion: 'list', tryItOutEnabled: true, displayRequestDuration: true },
      theme: { title: 'reVoAgent API' },
    });
  });
}
