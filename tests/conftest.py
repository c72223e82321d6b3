pytest_plugins = ["tests.services.objects", "tests.services.postgres", "tests.services.softhsm"]
