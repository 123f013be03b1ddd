/** The cluster's DNS server: names of services and pods from the API, the rest passed on. UDP and TCP on one port. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
} from 'dns-packet';
import type { Logger } from 'pino';
import { EndpointSlice, Namespace, Service } from '../../api/index.ts';
import type { SharedInformerFactory } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { type Forwarder, framed } from './forward.ts';
import { type ClusterNames, type DnsRecord, type LookupResult, lookup, reverseAddress, reverseLookup } from './records.ts';

export interface DnsServerOptions {
  informers: SharedInformerFactory;
  forwarder: Forwarder;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** `cluster.local` */
  domain: string;
  address: string;
  /** 0: any free port. */
  port: number;
  /** Reverse questions about these ranges are never passed on, e.g. pod and service CIDRs. */
  ttlSeconds?: number;
}

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

const nxdomain = 3;
const servfail = 2;
/** What fits where the client does not say otherwise (RFC 1035), and the most that is sent in one datagram. */
const plainUdpBytes = 512;
const mostUdpBytes = 1232;

export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { informers, forwarder, random, logger, domain, address, ttlSeconds = 5 } = options;
  const names = clusterNames(informers);
  const suffix = `.${domain}`;

  const toAnswer = (r: DnsRecord): Answer => {
    switch (r.type) {
      case 'A':
      case 'AAAA':
        return { name: r.name, type: r.type, ttl: ttlSeconds, data: r.address };
      case 'SRV':
        return {
          name: r.name,
          type: 'SRV',
          ttl: ttlSeconds,
          data: { target: r.target, port: r.port, priority: r.priority, weight: r.weight },
        };
      case 'TXT':
        return { name: r.name, type: 'TXT', ttl: ttlSeconds, data: r.text };
      default:
        return { name: r.name, type: r.type, ttl: ttlSeconds, data: r.target };
    }
  };

  const isOurs = (name: string) => name === domain || name.endsWith(suffix);

  /** What is behind an alias belongs into the same answer (RFC 1034, 3.6.2): stub resolvers don't ask again. */
  const follow = async (result: LookupResult, type: Question['type'], overTcp: boolean, hops = 8): Promise<Answer[]> => {
    const [alias] = result.answers;
    if (alias?.type !== 'CNAME' || type === 'CNAME' || hops === 0) return [];
    const target = alias.target.toLowerCase().replace(/\.$/, '');
    if (isOurs(target)) {
      const next = lookup(names, domain, target, type);
      return [...shuffled(next.answers, random).map(toAnswer), ...(await follow(next, type, overTcp, hops - 1))];
    }
    const id = Math.floor(random.next() * 65_536);
    const query = encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ name: target, type, class: 'IN' }] });
    try {
      return decode(await forwarder.forward(query, overTcp)).answers ?? [];
    } catch (error) {
      logger.debug({ err: error, name: target }, 'no upstream nameserver answered');
      return [];
    }
  };

  const answer = async (query: Buffer, overTcp: boolean): Promise<Buffer | undefined> => {
    let packet: Packet;
    try {
      packet = decode(query);
    } catch {
      // Not DNS: say nothing, as any answer would help only who forges addresses.
      return undefined;
    }
    const question = packet.questions?.[0];
    if (packet.type !== 'query' || !question) return undefined;
    const name = question.name.toLowerCase().replace(/\.$/, '');
    if (isOurs(name)) {
      const result = lookup(names, domain, name, question.type);
      return respond(packet, question, result, overTcp, await follow(result, question.type, overTcp));
    }
    const ip = reverseAddress(name);
    const pointers = ip ? reverseLookup(names, domain, name, ip) : [];
    if (pointers.length > 0) return respond(packet, question, { exists: true, answers: pointers, additional: [] }, overTcp);
    try {
      return await forwarder.forward(query, overTcp);
    } catch (error) {
      logger.debug({ err: error, name }, 'no upstream nameserver answered');
      return encode({
        type: 'response',
        id: packet.id ?? 0,
        flags: servfail | RECURSION_AVAILABLE | ((packet.flags ?? 0) & RECURSION_DESIRED),
        questions: [question],
      });
    }
  };

  const respond = (query: Packet, question: Question, result: LookupResult, overTcp: boolean, behind: Answer[] = []): Buffer => {
    // The name is told as it was asked, in its own case.
    const own = shuffled(result.answers, random).map((r) => ({ ...toAnswer(r), name: question.name }) as Answer);
    const answers = [...own, ...behind];
    const soa: Answer = {
      name: domain,
      type: 'SOA',
      ttl: ttlSeconds,
      data: {
        mname: `ns.dns.${domain}`,
        rname: `hostmaster.${domain}`,
        serial: Math.floor(options.clock.now() / 1000),
        refresh: 7200,
        retry: 1800,
        expire: 86_400,
        minimum: ttlSeconds,
      },
    };
    const response: Packet = {
      type: 'response',
      id: query.id ?? 0,
      flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | (result.exists ? 0 : nxdomain),
      questions: [question],
      answers,
      additionals: result.additional.map(toAnswer),
      ...(answers.length === 0 ? { authorities: [soa] } : {}),
    };
    const bytes = encode(response);
    const edns = query.additionals?.find((a) => a.type === 'OPT');
    const limit = edns && 'udpPayloadSize' in edns ? Math.min(Math.max(edns.udpPayloadSize, plainUdpBytes), mostUdpBytes) : plainUdpBytes;
    if (overTcp || bytes.length <= limit) return bytes;
    // Truncated: the client asks again over TCP.
    return encode({ ...response, flags: (response.flags ?? 0) | 0x200, answers: [], additionals: [] });
  };

  const server = await listen(address, options.port, answer, logger);
  return server;
}

function clusterNames(informers: SharedInformerFactory): ClusterNames {
  const services = informers.for(Service);
  const slices = informers.for(EndpointSlice);
  const namespaces = informers.for(Namespace);
  services.addIndex('dns-ip', (s) => (s.spec.clusterIPs ?? [s.spec.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None'));
  slices.addIndex('dns-service', (s) => [`${s.metadata.namespace}/${s.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`]);
  slices.addIndex('dns-ip', (s) => (s.endpoints ?? []).flatMap((e) => e.addresses));
  return {
    service: (namespace, name) => services.lister.get(name, namespace),
    servicesByIP: (ip) => services.lister.byIndex('dns-ip', ip),
    slices: (namespace, name) => slices.lister.byIndex('dns-service', `${namespace}/${name}`),
    slicesByIP: (ip) => slices.lister.byIndex('dns-ip', ip),
    hasNamespace: (name) => namespaces.lister.get(name) !== undefined,
  };
}

/** Fisher-Yates: clients take the first address. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    const a = out[i];
    const b = out[j];
    if (a !== undefined && b !== undefined) {
      out[i] = b;
      out[j] = a;
    }
  }
  return out;
}

type Responder = (query: Buffer, overTcp: boolean) => Promise<Buffer | undefined>;

async function listen(address: string, port: number, answer: Responder, logger: Logger): Promise<DnsServer> {
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveTcp(socket, answer, logger);
  });
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen(port, address, resolve);
  });
  const bound = portOf(tcp);
  const udp: DatagramSocket = createSocket('udp4');
  udp.on('message', (query, from) => {
    answer(query, false).then(
      (response) => response && udp.send(response, from.port, from.address),
      (error: unknown) => logger.error({ err: error }, 'a DNS question failed'),
    );
  });
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject);
    udp.bind(bound, address, resolve);
  });
  return {
    port: bound,
    async close() {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
      await new Promise<void>((resolve) => udp.close(() => resolve()));
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (!address || typeof address === 'string') throw new Error('the DNS server has no port');
  return address.port;
}

function serveTcp(socket: Socket, answer: Responder, logger: Logger): void {
  let received = Buffer.alloc(0);
  socket.setTimeout(10_000, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const length = received.readUInt16BE(0);
      const query = received.subarray(2, 2 + length);
      received = received.subarray(2 + length);
      answer(query, true).then(
        (response) => (response ? socket.write(framed(response)) : socket.destroy()),
        (error: unknown) => logger.error({ err: error }, 'a DNS question failed'),
      );
    }
  });
}
