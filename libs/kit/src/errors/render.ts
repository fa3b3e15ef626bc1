// docs/errors.md as text. tools/docs/errors.mjs writes it; a test holds the file to the table.
import { status } from '@grpc/grpc-js';
import { type ErrorRow, errorTable } from './table.js';

export function renderErrorTable(): string {
  const rows = Object.entries<ErrorRow>(errorTable).map(([code, row]) =>
    [
      `\`${code}\``,
      row.text,
      status[row.grpc],
      row.http,
      row.retryable ? 'yes' : 'no',
      row.blast,
      row.native ? 'yes' : '',
    ].join(' | '),
  );
  return `# Errors

<!-- Written by tools/docs/errors.mjs; do not edit. -->

Every error that leaves a service has one of these codes. Over gRPC it travels as \`switchyard.common.v1.ErrorDetail\` in
the metadata key \`switchyard-error-bin\`, with the field that was wrong, a retry hint and the member it arose at; over
HTTP it is the \`code\` of the error body. "Retry" says whether the same request can succeed later. The reach is what
else is affected: nothing but this call, everything that needs the named peer, or the whole process. Native code returns
the marked ones.

| code | what happened | gRPC status | HTTP | retry | reach | native |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}
`;
}
