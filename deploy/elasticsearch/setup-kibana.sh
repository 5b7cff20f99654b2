#!/bin/bash
# Imports the data view, the visualizations and the dashboard into Kibana. Run with ELASTIC_PASSWORD.
set -euo pipefail

curl -sS --fail-with-body -u "elastic:$ELASTIC_PASSWORD" -H "kbn-xsrf: true" \
    --form "file=@${FOLDER:-/setup}/kibana.ndjson" \
    "${KIBANA_URL:-http://kibana:5601}/api/saved_objects/_import?overwrite=true"
echo
