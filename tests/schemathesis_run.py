"""schemathesis, an independent judge of HTTP interfaces, held against a sandbox with the OpenAPI document that it serves itself.

Usage: schemathesis_run.py LINE, where LINE is what `ringcx-scim sandbox --json` prints.

Looks for answers that no document promises: a 5xx, an unknown status, another content type, a body that is not of its schema.
Which requests are refused is not its business here: the bridge is more tolerant than any schema, on purpose.
"""

import json
import os
import subprocess
import sys
import urllib.parse

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]


def main(line):
    sandbox = json.loads(line)
    document = urllib.parse.urljoin(sandbox["scim_url"], "/openapi.json")
    program = os.path.join(os.path.dirname(sys.executable), "st")
    command = [program, "run", document, "--url", sandbox["scim_url"], "--checks", ",".join(CHECKS)]
    command += ["-H", f"Authorization: Bearer {sandbox['token']}", "--phases", "examples,coverage,fuzzing"]
    # A token of nobody is answered 501 at /Me, and what is served at the root is not below the base.
    for path in ["/Me", "/oauth/token", "/.well-known/jwks.json", "/healthz", "/readyz", "/metrics"]:
        command += ["--exclude-path", path]
    # The same requests every time, and a number of them that fits into a check.
    command += ["--max-examples", "10", "--seed", "1", "--generation-database", "none", "--no-color"]
    done = subprocess.run(command, cwd="/tmp", capture_output=True, text=True)
    failed = done.returncode != 0
    print(done.stdout if failed else "\n".join(it for it in done.stdout.splitlines() if "generated" in it))
    if failed:
        print(done.stderr)
        sys.exit("schemathesis has something to report")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
