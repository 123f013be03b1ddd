/** Looks after another component as ComponentStatus tells of it: its /healthz over HTTPS, whoever signed its certificate. */
import { request } from 'node:https';
import { connectionProblem } from '../webhook/go-words.ts';

/** Where a component's HTTPS answers. */
export interface ComponentAddress {
  host: string;
  port: number;
}

export interface ComponentHealth {
  healthy: boolean;
  /** What it says of itself, or why it can't be asked. */
  message: string;
}

const patienceMs = 20_000;
const longestMessage = 10 * 1024;

export function probeComponent({ host, port }: ComponentAddress): Promise<ComponentHealth> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve) => {
    const asked = request(
      // Upstream shows no certificate and asks for none that it could check either.
      { host, port, path: '/healthz', agent: false, rejectUnauthorized: false, timeout: patienceMs },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body = (body + chunk).slice(0, longestMessage);
        });
        response.on('error', (error) => resolve({ healthy: false, message: error.message }));
        response.on('end', () => {
          const { statusCode = 0 } = response;
          const healthy = statusCode >= 200 && statusCode < 400;
          resolve({ healthy, message: healthy ? body : `HTTP probe failed with statuscode: ${statusCode}` });
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)')));
    asked.on('error', (error) =>
      resolve({ healthy: false, message: `Get "https://${authority}/healthz": ${connectionProblem(error) ?? error.message}` }),
    );
    asked.end();
  });
}
