// Walk change feeds with the OpenActive validator and print what it found, as JSON.
// Usage: node judge.js URL...   Exit code: 0 no failures, 1 failures, 2 it could not judge.
import validator from "@openactive/rpde-validator";

const PAGES = 500; // more than any feed in our tests has, so that a walk always reaches the end

function tell(page, error) {
  return { page: page.url, severity: error.severity, type: error.type, message: error.message };
}

async function judge(url) {
  const log = await validator.RpdeValidator(url, { pageLimit: PAGES, timeoutMs: 20000 });
  const findings = log.pages.flatMap((page) => page.errors.map((error) => tell(page, error)));
  const failures = findings.filter((finding) => finding.severity === "failure");
  return { url, pages: log.pages.length, failures, others: findings.filter((f) => !failures.includes(f)) };
}

const urls = process.argv.slice(2);
if (urls.length === 0) {
  console.error("usage: node judge.js URL...");
  process.exit(2);
}
const verdicts = [];
for (const url of urls) {
  verdicts.push(await judge(url));
}
console.log(JSON.stringify(verdicts, null, 1));
process.exitCode = verdicts.some((verdict) => verdict.failures.length > 0) ? 1 : 0;
