# syntax=docker/dockerfile:1
# The node and the command line client, self-contained: the image at the end has no .NET of its own.
FROM ubuntu:24.04 AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends dotnet-sdk-10.0 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
COPY . .
# ReadyToRun halves the start; trimming is not used, actors and serializers are found by reflection.
RUN dotnet publish src/Rosetta.Node -c Release -r linux-x64 --self-contained -p:PublishReadyToRun=true -o /publish/node \
 && dotnet publish src/Rosetta.Cli -c Release -r linux-x64 --self-contained -p:PublishReadyToRun=true -o /publish/cli

FROM ubuntu:24.04
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates openssl curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/rosetta rosetta
COPY --from=build /publish/node /opt/rosetta/node
COPY --from=build /publish/cli /opt/rosetta/cli
RUN ln -s /opt/rosetta/cli/rosetta /usr/local/bin/rosetta
USER rosetta
WORKDIR /var/lib/rosetta
EXPOSE 8000 8001 4053
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD curl -fsS http://127.0.0.1:8001/health/live || exit 1
# SIGTERM drains the pipelines before the node leaves; give it time (docker stop -t 90).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/rosetta/node/Rosetta.Node"]
