#!/bin/sh
# Plain HTTP through the hub: a plain answer, then a streamed one.
# Run: REVOAGENT_URL=http://127.0.0.1:12001 sh examples/clients/curl.sh
set -eu

ask() {
  curl --fail-with-body --silent --show-error --no-buffer "${REVOAGENT_URL:-http://127.0.0.1:12001}/v1/chat/completions" \
    --header "authorization: Bearer ${REVOAGENT_KEY:-none}" \
    --json "{\"model\": \"${REVOAGENT_MODEL:-simulator/chat}\", \"stream\": $1, \"messages\": [{\"role\": \"user\", \"content\": \"Say hello.\"}]}"
}

ask false
echo
ask true
