"""What we tell, in the forms of other servers too, for callers that were written for those.

port        what a form is
shared      `metadata.shared` of codex-a2a and opencode-a2a
replies     their answers to what an agent asks
trace       the sideband of a2a-codex
said        what our own events say, read again

Rule: a form only adds. What a caller of ours reads stands where it stands without it.
"""

from a2acore.compat.port import Compat as Compat
from a2acore.compat.switches import Switch as Switch
from a2acore.compat.switches import declared as declared
from a2acore.compat.switches import forms as forms
