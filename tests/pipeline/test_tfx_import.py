"""TFX starts without what only Google's AI platform needs, and has it when it is asked for."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_ai_platform_is_imported_when_it_is_asked_for():
    code = (
        "import sys\n"
        "from pipeline.tfx_import import import_tfx\n"
        "import_tfx()\n"
        "import pipeline.local_runner\n"
        "print('google.cloud.aiplatform' in sys.modules)\n"
        "from tfx.extensions.google_cloud_ai_platform import prediction_clients\n"
        "print(prediction_clients.get_prediction_client(enable_vertex=True))\n"
        "print('google.cloud.aiplatform' in sys.modules)\n")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=600)
    before, client, after = done.stdout.splitlines()[-3:]
    assert before == "False" and "VertexPredictionClient" in client and after == "True", done.stderr[-2000:]
