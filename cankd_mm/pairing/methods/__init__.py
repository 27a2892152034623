"""What each method compares, and with which numbers."""

from cankd_mm.pairing.methods.cankd import draft_cankd
from cankd_mm.pairing.methods.cskd import draft_cskd
from cankd_mm.pairing.methods.lakd import draft_lakd
from cankd_mm.pairing.methods.tat import draft_tat

METHODS = dict(
    cankd=draft_cankd, tat=draft_tat, lakd=draft_lakd, cskd=draft_cskd
)

__all__ = ['METHODS']
