from __future__ import annotations

from domicile.errors import EvidenceError, KeyAbsent, ObjectWithheld, SiteUnreachable
from domicile.gateways.s3.faults import fault_of


def test_what_is_refused_for_good_is_told_so_that_clients_do_not_try_again() -> None:
    for kind in (KeyAbsent, ObjectWithheld):
        fault = fault_of(kind("it cannot be opened", expected="its key"))
        assert (fault.code, fault.status) == ("InvalidObjectState", 403)
    assert fault_of(EvidenceError("it is another's")).status == 500
    assert fault_of(SiteUnreachable("nobody answers")).status == 503
