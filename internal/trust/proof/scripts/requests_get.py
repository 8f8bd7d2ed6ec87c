# One request with the library requests, which may have a list of its own.
import sys

try:
    import requests
except ImportError:
    sys.exit(79)
try:
    requests.get("https://%s:%s%s" % (sys.argv[2], sys.argv[1], sys.argv[3]), proxies={"https": ""})
except requests.exceptions.SSLError as e:
    reason = str(e)
    sys.exit("Error: %s" % reason[reason.find("Caused by") :])
