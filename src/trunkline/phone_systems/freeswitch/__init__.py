"""FreeSWITCH over its event socket (mod_event_socket), and its call records as mod_json_cdr posts them.

Source of the protocol: signalwire/freeswitch-docs, "Event Socket", "Events catalog" and "mod_json_cdr".
"""

from trunkline.phone_systems.freeswitch.adapter import FreeSwitchAdapter

__all__ = ["FreeSwitchAdapter"]
