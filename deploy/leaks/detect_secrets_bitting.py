"""A plugin for detect-secrets: detect-secrets scan --plugin detect_secrets_bitting.py PATH

If your database has another brand than bt, write that.
"""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class BittingDetector(RegexBasedDetector):
    """Finds API keys and admin tokens of Bitting."""

    secret_type = "Bitting key"
    denylist = [re.compile(r"\bbt[ka]_[0-9A-Za-z]{38}\b")]
