pytest_plugins = [
    "tests.services.objects",
    "tests.services.oci_vault",
    "tests.services.openbao",
    "tests.services.postgres",
    "tests.services.softhsm",
]
