/**
 * Resolves names for connections that may only leave for the public internet. A connection is made to the very addresses that were
 * looked at here: there is no second resolution, so a name that changes its answer in between (DNS rebinding) gains nothing. One
 * address of a private kind refuses the name as a whole: no honest public name has one.
 */
import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { BlockList, isIPv4 } from 'node:net';
import type { LookupFunction } from 'node:net';

type Resolver = (hostname: string, callback: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/** Only `code` goes into what callers read: neither a name nor an address of the inside. */
export class PrivateAddressError extends Error {
  readonly code = 'PRIVATE_ADDRESS';

  constructor(hostname: string, address: string) {
    super(`"${hostname}" resolves to ${address}, which is no public address.`);
    this.name = 'PrivateAddressError';
  }
}

/** For `net.connect`. Fails with `PrivateAddressError`, or the resolver's own error. */
export function publicLookup(resolve: Resolver = resolveAll): LookupFunction {
  const isPublic = publicAddresses();
  return (hostname, { all }, callback) => {
    resolve(hostname, (error, addresses) => {
      const [first] = addresses;
      const inside = addresses.find(({ address }) => !isPublic(address));
      if (error !== null) callback(error, []);
      else if (inside !== undefined) callback(new PrivateAddressError(hostname, inside.address), []);
      else if (all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function resolveAll(hostname: string, callback: Parameters<Resolver>[1]): void {
  systemLookup(hostname, { all: true }, (error, addresses) => callback(error, addresses ?? []));
}

/**
 * IPv4 without the special-purpose blocks of the IANA (RFC 6890 and its registry, with 169.254.169.254, where clouds keep their
 * machines' credentials); IPv6 within 2000::/3, the only block given out, without what there carries or documents other addresses.
 */
function publicAddresses(): (address: string) => boolean {
  const special = new BlockList();
  for (const [net, prefix] of SPECIAL_IPV4) special.addSubnet(net, prefix, 'ipv4');
  for (const [net, prefix] of SPECIAL_IPV6) special.addSubnet(net, prefix, 'ipv6');
  const global = new BlockList();
  global.addSubnet('2000::', 3, 'ipv6');
  return (address) => {
    if (isIPv4(address)) return !special.check(address, 'ipv4');
    return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
  };
}

const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

const SPECIAL_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;
