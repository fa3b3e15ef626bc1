// What /proc says about processes: children, command lines, processor time. Linux only, like the system under test.
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessInfo {
  pid: number;
  /** Command line, one entry an argument. */
  argv: string[];
}

/** Direct children of a process, over all its threads; empty when it is gone. */
export function childrenOf(pid: number): ProcessInfo[] {
  const children: ProcessInfo[] = [];
  for (const thread of listDir(`/proc/${pid}/task`)) {
    const pids = read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number);
    for (const child of pids) children.push({ pid: child, argv: argvOf(child) });
  }
  return children;
}

/** A process and everything below it that lives now. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap((child) => treeOf(child.pid))];
}

export function argvOf(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean);
}

/** True while the process runs; a zombie that waits for its parent does not. */
export function isRunning(pid: number): boolean {
  const state = statFields(pid)[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** User and system time a process has used, all threads, in milliseconds. 0 when it is gone. */
export function cpuTimeMs(pid: number): number {
  const fields = statFields(pid);
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  const ticksPerSecond = 100; // USER_HZ of every Linux that Node runs on (proc_pid_stat(5), sysconf(3))
  return (ticks * 1000) / ticksPerSecond;
}

/** Fields of /proc/PID/stat from the state on: what stands before it may hold spaces (proc_pid_stat(5)). */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat === '' ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function listDir(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // the process ended meanwhile
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process ended meanwhile
  }
}
