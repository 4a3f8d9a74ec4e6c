"""Prints the configuration of a server between a simulator and a PostgreSQL, with what the sandbox has switched on.

Usage: server_config.py SIMULATOR_URL POSTGRES_URL
"""

import sys

CONFIG = """
[server]
listen = "127.0.0.1:0"

[store]
url = "{postgres}"

[tenant.default.ringcx]
base_url = "{upstream}"
account_id = "15300002"
rate_per_minute = 1000
auth_per_minute = 1000

[tenant.default.ringcentral]
base_url = "{upstream}"
client_id = "simulated-client"
client_secret = "simulated-secret"
jwt = "simulated-jwt"

[tenant.default.policy]
default_agent_group = "Default"
auto_create_agent_groups = true
password_on_put = "omit"
assignment_shape = "objects"
phone_login_pin = true
allowed_roles = ["ACCESS_AUDIT_LOG"]
allowed_rights_docs = [4711]
# The tester switches off everybody it makes.
mass_change = "off"
"""

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(CONFIG.format(upstream=sys.argv[1], postgres=sys.argv[2]))
