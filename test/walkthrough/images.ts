/** The images of the walkthrough's application, as they would come from a public registry. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, type Image } from '../support/images.ts';

const app = (name: string) => readFileSync(join(import.meta.dirname, 'apps', name), 'utf8');
const node = realNode();

function realNode(): string {
  return process.execPath;
}

const nginxConfig = `
daemon off;
pid /run/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server {
    listen 80;
    location / { default_type text/html; return 200 "<h1>say thanks</h1>\\n"; }
    location /api/ { proxy_pass http://saythx-backend:8080/; }
  }
}
`;

/** By repository and tag on docker.io. */
export function walkthroughImages(): Record<string, Image> {
  const redis = buildImage({
    programs: { '/usr/bin/redis-server': '/usr/bin/redis-server', '/usr/bin/redis-cli': '/usr/bin/redis-cli' },
    entrypoint: ['redis-server'],
    command: ['--protected-mode', 'no', '--save', ''],
  });
  const nginx = buildImage({
    programs: { '/usr/sbin/nginx': '/usr/sbin/nginx' },
    files: {
      '/etc/nginx/nginx.conf': nginxConfig,
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n',
      '/etc/group': 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n',
      '/var/log/nginx/.keep': '',
      '/var/lib/nginx/.keep': '',
    },
    entrypoint: ['nginx'],
  });
  const node24 = (file: string) =>
    buildImage({ programs: { '/usr/bin/node': node }, files: { '/app.mjs': app(file) }, entrypoint: ['node', '/app.mjs'] });
  const busybox = buildImage({ programs: {}, entrypoint: [], command: ['sh'] });
  return {
    'library/redis:5': redis,
    'library/redis:alpine': redis,
    'library/nginx:latest': nginx,
    'library/nginx:1.22': nginx,
    'library/busybox:latest': busybox,
    'taobeier/saythx-fe:latest': nginx,
    'taobeier/saythx-be:latest': node24('backend.mjs'),
    'taobeier/saythx-work:latest': node24('worker.mjs'),
  };
}
