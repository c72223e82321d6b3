pytest_plugins = ["tests.services.objects", "tests.services.postgres"]
