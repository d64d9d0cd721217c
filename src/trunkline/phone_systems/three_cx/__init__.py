"""3CX (V18 and V20): its CRM template asks us who calls and tells us of each call; its own API has the history, and,
where that is switched on, Call Control tells live who takes part in which call.

No message of a CRM template names a call. A *lookup* says that a number rings (on incoming and outgoing calls, again
at every attempt of a queue); the *journal* says, once a call is over, when it began and ended, with whom, and who
answered. So keys are made of what both have:

- A lookup's key is the number and the moment its ring began, in steps of five seconds. The adapter remembers which
  numbers ring: a question about a number that was asked about in the last 40 seconds belongs to the same ring, unless
  that call's journal has come since. The message in the inbox says when its ring began, so parsing needs no memory.
- A journal's key is the number and the second in which its call began. It claims the keys of all rings of this number
  that began between five seconds before the call and two seconds after it stopped ringing, at most two minutes long.
- After a transfer there may be one journal for each agent: one that begins in the second in which another with the
  same number ended belongs to it.
- A call in the API's history has a key of its own, and claims the same ones as its journal.
- A call that Call Control tells of has an id, but none that the others know. Its key is that id with number and day.
  Each phone that begins to ring for it claims the ring, as a journal does: so lookup, Call Control, journal and history
  meet in the keys of rings, whichever comes first. A call that was in progress when we connected has no ring that we
  heard; it meets its journal in the second in which it ends.
- Between colleagues there are neither lookups nor journals: there the two extensions stand for the number. Where the
  number is withheld, the phone that rings stands for it.

Call Control shows the extensions only that the API client may see. Its list of calls in progress therefore speaks of
calls with a key of its own, and never ends a ring that the template alone told of.

Two calls from one number are told apart where the second begins at least twelve seconds after the first stopped
ringing, or was answered. Those closer together - two callers behind one number at the same moment - are told as one.
Where our clock and the PBX's differ by more than five seconds, a call may be told twice: as a ring without an end, and
by its journal. Callers who withhold their number are not looked up: a question does not say which phone rings.

Sources: 3CX's documentation of its CRM template XML, of its Call Control API and of its Configuration API; published
templates.
"""

from trunkline.phone_systems.three_cx.adapter import ThreeCxAdapter
from trunkline.phone_systems.three_cx.template import crm_template

__all__ = ["ThreeCxAdapter", "crm_template"]
