pytest_plugins = [
    "tests.services.objects",
    "tests.services.openbao",
    "tests.services.postgres",
    "tests.services.softhsm",
]
