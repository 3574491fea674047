using System.Collections.Immutable;
using System.Text.Json;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;

namespace Rosetta.Store.Pipelines;

/// <summary>A pipeline with its parts as the one statement of <see cref="Select"/> gives it; one statement, so that it is one snapshot.</summary>
sealed record PipelineRow
{
    public const string Select =
        """
        SELECT p.id, p.name, p.status, p.config_version, p.created_at, p.updated_at,
            (SELECT jsonb_build_object(
                'id', s.id, 'name', s.name, 'host', s.pg_host, 'port', s.pg_port, 'database', s.pg_database, 'username', s.pg_username,
                'password', s.pg_password, 'ssl_mode', s.pg_ssl_mode, 'publication_name', s.publication_name,
                'replication_name', s.replication_name, 'created_at', s.created_at, 'updated_at', s.updated_at)
             FROM sources s WHERE s.id = p.source_id)::text AS source,
            (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', d.id, 'name', d.name, 'type', d.type, 'config', d.config::text, 'created_at', d.created_at, 'updated_at', d.updated_at,
                'snapshot', pd.snapshot, 'generation', pd.generation,
                'table_syncs', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'table_name', t.table_name, 'table_name_target', t.table_name_target, 'columns', t.columns, 'filter_sql', t.filter_sql,
                    'custom_sql', t.custom_sql, 'enabled', t.enabled, 'options', t.options) ORDER BY t.ordinal, t.id), '[]')
                  FROM table_syncs t WHERE t.pipeline_id = p.id AND t.destination_id = d.id),
                'paused_tables', (SELECT coalesce(jsonb_agg(t.table_name ORDER BY t.table_name), '[]')
                  FROM paused_tables t WHERE t.pipeline_id = p.id AND t.destination_id = d.id)) ORDER BY d.id), '[]')
             FROM pipeline_destinations pd JOIN destinations d ON d.id = pd.destination_id WHERE pd.pipeline_id = p.id)::text AS destinations
        FROM pipelines p
        """;

    public long Id { get; init; }

    public string Name { get; init; } = "";

    public string Status { get; init; } = "";

    public long ConfigVersion { get; init; }

    public DateTime CreatedAt { get; init; }

    public DateTime UpdatedAt { get; init; }

    public string Source { get; init; } = "";

    public string Destinations { get; init; } = "";

    public PipelineDefinition Open(SecretProtector secrets)
    {
        var source = JsonSerializer.Deserialize<SourceRow>(Source, StoreTypes.Json)!;
        var destinations = JsonSerializer.Deserialize<AttachedRow[]>(Destinations, StoreTypes.Json)!;
        return new PipelineDefinition(
            Id, Name, ParseStatus(Status), ConfigVersion, source.Open(secrets), [.. destinations.Select(d => d.Open(secrets))], CreatedAt, UpdatedAt);
    }

    public static PipelineStatus ParseStatus(string status) => status == "START" ? PipelineStatus.Start : PipelineStatus.Pause;

    sealed record AttachedRow
    {
        public long Id { get; init; }

        public string Name { get; init; } = "";

        public string Type { get; init; } = "";

        public string Config { get; init; } = "{}";

        public DateTime CreatedAt { get; init; }

        public DateTime UpdatedAt { get; init; }

        public string Snapshot { get; init; } = "";

        public Guid Generation { get; init; }

        public TableSync[] TableSyncs { get; init; } = [];

        public string[] PausedTables { get; init; } = [];

        public PipelineDestination Open(SecretProtector secrets) => new(
            new DestinationRow { Id = Id, Name = Name, Type = Type, Config = Config, CreatedAt = CreatedAt, UpdatedAt = UpdatedAt }.Open(secrets),
            Snapshot == "none" ? SnapshotChoice.None : SnapshotChoice.Initial,
            Generation,
            ImmutableArray.Create(TableSyncs))
        {
            PausedTables = ImmutableArray.Create(PausedTables),
        };
    }
}
