/** @file What tests of the doctor share: files in a folder of their own, and all findings of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExamineOptions, examine, type Subject } from './examine.ts';
import type { Finding } from './finding.ts';
import { Report } from './report.ts';

export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-doctor-'));
  let files = 0;
  return {
    folder,
    /** A new file; its ending says how it is read. */
    write(data: string | Buffer, ending = '.jsonl'): Subject {
      const path = join(folder, `${++files}${ending}`);
      writeFileSync(path, data);
      return { name: path, files: [path] };
    },
    remove: (): void => rmSync(folder, { recursive: true }),
  };
}

export async function findingsOf(
  subjects: readonly Subject[],
  options: Omit<ExamineOptions, 'report'> = {},
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const report = new Report({ each: (finding) => findings.push(finding) });
  await examine(subjects, { report, ...options });
  return findings;
}
