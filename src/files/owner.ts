/**
 * @file Whose a temporary file or a lock is: a process named so that its death can be told, also
 * after its number went to another process, after a reboot, and on a disk that hosts share.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

const host = short(hostname());

/** Boot and start time of a process, where the system tells them (Linux). */
function birth(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command in brackets may hold spaces; start time is the 20th field after it (proc(5), field 22).
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return short(`${boot} ${started}`);
  } catch {
    return undefined;
  }
}

/** `pid-birth-host` of a process of this machine. */
export function ownerTag(pid: number = process.pid): string {
  return `${pid}-${birth(pid) ?? 'unknown'}-${host}`;
}

/** Whether the process of a tag lives; undefined where another host would have to be asked. */
export function ownerAlive(tag: string): boolean | undefined {
  const [pidText, born, on] = tag.split('-');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (on !== host) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  const now = birth(pid);
  return now === undefined || born === 'unknown' || now === born;
}
