#!/bin/bash
# Prepares an Elasticsearch for Waggle's log lines. Run once with ELASTIC_PASSWORD, FILEBEAT_PASSWORD and KIBANA_PASSWORD;
# ELASTICSEARCH_URL and FOLDER have defaults for docker-compose.elasticsearch.yml. Repeating it changes nothing.
set -euo pipefail

put() { # METHOD PATH, with the body from standard input
    curl -sS --fail-with-body -u "elastic:$ELASTIC_PASSWORD" -H "Content-Type: application/json" -X "$1" --data-binary @- \
        "${ELASTICSEARCH_URL:-http://elasticsearch:9200}$2"
    echo
}

folder=${FOLDER:-/setup}
put PUT /_ilm/policy/waggle-logs < "$folder/lifecycle.json"
put PUT /_index_template/waggle-logs < "$folder/index-template.json"
put PUT /_security/role/waggle_logs_writer << 'JSON'
{"cluster": ["monitor"], "indices": [{"names": ["logs-waggle-*"], "privileges": ["auto_configure", "create_doc"]}]}
JSON
put PUT /_security/user/waggle_filebeat << JSON
{"password": "$FILEBEAT_PASSWORD", "roles": ["waggle_logs_writer"]}
JSON
put POST /_security/user/kibana_system/_password << JSON
{"password": "$KIBANA_PASSWORD"}
JSON
