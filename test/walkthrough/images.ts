/** The images of the walkthrough's application, as they would come from a public registry. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, type Image } from '../support/images.ts';

const app = (name: string) => readFileSync(join(import.meta.dirname, 'apps', name), 'utf8');

const nginxConfig = (locations: string) => `
daemon off;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server {
    listen 80;
    ${locations}
  }
}
`;

const nginx = (locations: string) =>
  buildImage({
    programs: { '/usr/sbin/nginx': '/usr/sbin/nginx' },
    files: {
      '/etc/nginx/nginx.conf': nginxConfig(locations),
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n',
      '/etc/group': 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n',
      '/var/log/nginx/.keep': '',
      '/var/lib/nginx/.keep': '',
    },
    entrypoint: ['nginx'],
  });

/** Both programs are in both images, so that their one big layer is kept and pulled once. */
const nodeProgram = (file: string) =>
  buildImage({
    programs: { '/usr/bin/node': process.execPath },
    files: { '/backend.mjs': app('backend.mjs'), '/worker.mjs': app('worker.mjs') },
    entrypoint: ['node', `/${file}`],
  });

export function busyboxImage(): Image {
  return buildImage({ programs: {}, entrypoint: [], command: ['sh'] });
}

/** By repository and tag on docker.io. */
export function walkthroughImages(): Record<string, Image> {
  const redis = buildImage({
    programs: { '/usr/bin/redis-server': '/usr/bin/redis-server', '/usr/bin/redis-cli': '/usr/bin/redis-cli' },
    entrypoint: ['redis-server'],
    command: ['--protected-mode', 'no', '--save', ''],
  });
  const hostname = 'location / { default_type text/plain; return 200 "$hostname\\n"; }';
  const frontend = nginx(`
    location / { default_type text/html; return 200 "<h1>say thanks</h1>\\n"; }
    location /api/ { proxy_pass http://saythx-backend:8080/; }`);
  return {
    'library/redis:5': redis,
    'library/redis:alpine': redis,
    'library/nginx:latest': nginx(hostname),
    'library/nginx:1.22': nginx(`add_header X-Version 1.22;\n    ${hostname}`),
    'library/busybox:latest': busyboxImage(),
    'taobeier/saythx-fe:latest': frontend,
    'taobeier/saythx-be:latest': nodeProgram('backend.mjs'),
    'taobeier/saythx-work:latest': nodeProgram('worker.mjs'),
  };
}
