"""The checks, by topic. Importing this registers them."""

from a2acli.conformance.checks import access as access
from a2acli.conformance.checks import across as across
from a2acli.conformance.checks import capabilities as capabilities
from a2acli.conformance.checks import card as card
from a2acli.conformance.checks import documents as documents
from a2acli.conformance.checks import envelope as envelope
from a2acli.conformance.checks import errors as errors
from a2acli.conformance.checks import extensions as extensions
from a2acli.conformance.checks import forms as forms
from a2acli.conformance.checks import limits as limits
from a2acli.conformance.checks import listing as listing
from a2acli.conformance.checks import push as push
from a2acli.conformance.checks import rest as rest
from a2acli.conformance.checks import send as send
from a2acli.conformance.checks import stream as stream
from a2acli.conformance.checks import talks as talks
from a2acli.conformance.checks import tasks as tasks
from a2acli.conformance.checks import versions as versions
