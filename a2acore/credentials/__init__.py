"""Credentials: who may come in, by what, and what they may do then.

Plain values, read from a file; who compares them with what a request shows is
`a2acore.middleware.roster`.
"""

from a2acore.credentials.file import BadCredentials as BadCredentials
from a2acore.credentials.file import is_name as is_name
from a2acore.credentials.file import read_credentials as read_credentials
from a2acore.credentials.principal import ALL as ALL
from a2acore.credentials.principal import SCOPES as SCOPES
from a2acore.credentials.principal import USUAL as USUAL
from a2acore.credentials.principal import Credential as Credential
from a2acore.credentials.principal import Credentials as Credentials
from a2acore.credentials.principal import Issuer as Issuer
from a2acore.credentials.principal import Principal as Principal
from a2acore.credentials.principal import Scope as Scope
from a2acore.credentials.secrets import Certificate as Certificate
from a2acore.credentials.secrets import Password as Password
from a2acore.credentials.secrets import Token as Token
from a2acore.credentials.secrets import hashed as hashed
