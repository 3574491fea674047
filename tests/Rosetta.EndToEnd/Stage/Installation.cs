using System.Text.Json;
using Npgsql;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Testing.Network;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A whole installation on real servers: config database, source, destinations, and nodes as processes of their own.</summary>
public sealed class Installation : IAsyncDisposable
{
    /// <summary>Generous: the machine is shared and noisy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    public const string Database = "app";

    static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    readonly List<NodeProcess> _nodes = [];
    readonly string _secretKey = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray());
    readonly Dictionary<PostgresServer, TcpProxy> _network = [];

    Installation(PostgresServer config, PostgresServer source, IReadOnlyList<PostgresServer> targets)
    {
        Config = config;
        Source = source;
        Targets = targets;
    }

    /// <summary>What stands between the nodes and each server; empty unless asked for.</summary>
    public IReadOnlyCollection<TcpProxy> Network => _network.Values;

    public PostgresServer Config { get; }

    public PostgresServer Source { get; }

    public IReadOnlyList<PostgresServer> Targets { get; }

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    public string SourceConnection => Source.ConnectionString(Database);

    public string TargetConnection(int index) => Targets[index].ConnectionString(Database);

    /// <param name="targets">How many destination servers.</param>
    /// <param name="source">Options of the source beyond the test kit's.</param>
    /// <param name="durableTargets">Destinations survive a crash with all they have committed (fsync on).</param>
    /// <param name="network">Nodes reach every server through a proxy, see <see cref="Network"/>; the test itself does not.</param>
    public static async Task<Installation> StartAsync(
        int targets = 2, PostgresServerOptions? source = null, bool durableTargets = false, bool network = false)
    {
        var config = PostgresServer.StartAsync(new PostgresServerOptions { Name = "config" });
        var from = PostgresServer.StartAsync((source ?? new PostgresServerOptions()) with { Name = "source" });
        var to = Enumerable.Range(1, targets).Select(n => PostgresServer.StartAsync(new PostgresServerOptions { Name = $"target{n}", Durable = durableTargets })).ToList();
        var installation = new Installation(await config, await from, await Task.WhenAll(to));
        await installation.Config.CreateDatabaseAsync("rosetta");
        await installation.Source.CreateDatabaseAsync(Database);
        foreach (var target in installation.Targets)
            await target.CreateDatabaseAsync(Database);
        if (network)
        {
            foreach (var server in installation.Targets.Append(installation.Source).Append(installation.Config))
                installation._network[server] = TcpProxy.Start("127.0.0.1", server.Port);
        }

        return installation;
    }

    /// <summary>What a node needs to belong to this installation, as environment variables.</summary>
    public Dictionary<string, string?> NodeSettings(int apiPort, int healthPort, int remotingPort) => new()
    {
        ["CONFIG_DATABASE_URL"] = new NpgsqlConnectionStringBuilder(Config.ConnectionString("rosetta")) { Port = PortOf(Config), Pooling = true }.ConnectionString,
        ["SECRET_KEY"] = _secretKey,
        ["ROSETTA__LISTEN__APIPORT"] = $"{apiPort}",
        ["ROSETTA__LISTEN__HEALTHPORT"] = $"{healthPort}",
        ["ROSETTA__CLUSTER__PORT"] = $"{remotingPort}",
        ["ROSETTA_API_KEYS"] = null,
        ["ROSETTA_FAILPOINTS"] = null,
        ["REDIS_URL"] = null,
    };

    /// <summary>What stands between the nodes and a server, see <see cref="Network"/>.</summary>
    public TcpProxy ProxyOf(PostgresServer server) => _network[server];

    int PortOf(PostgresServer server) => _network.TryGetValue(server, out var proxy) ? proxy.Port : server.Port;

    /// <summary>Starts a node and waits until it is ready.</summary>
    /// <param name="environment">Added to what every node gets.</param>
    public async Task<NodeProcess> StartNodeAsync(IReadOnlyDictionary<string, string?>? environment = null, bool waitUntilReady = true)
    {
        var node = new NodeProcess($"node{_nodes.Count + 1}", NodeSettings, environment);
        _nodes.Add(node);
        await node.StartAsync(waitUntilReady);
        return node;
    }

    /// <summary>Source, destinations and pipeline over the API; started unless told otherwise.</summary>
    /// <param name="attach">How many of the targets; null for all.</param>
    public async Task<int> CreatePipelineAsync(ApiClient api, string name = "pipeline", bool start = true, IReadOnlyList<TableSync>? tables = null, int? attach = null)
    {
        var source = await api.PostAsync("sources", new NewSource($"{name}-source", "127.0.0.1", PortOf(Source), Database, "postgres", null));
        var sourceId = source.As<IdOnly>().Id;
        var pipelineId = (await api.PostAsync("pipelines", new NewPipeline(name, sourceId))).As<IdOnly>().Id;
        for (var i = 0; i < (attach ?? Targets.Count); i++)
            await AttachAsync(api, pipelineId, i, $"{name}-target{i + 1}", tables);
        if (start)
            await api.PostAsync($"pipelines/{pipelineId}/start");
        return pipelineId;
    }

    /// <summary>Makes a destination of a target server and attaches it.</summary>
    public async Task<int> AttachAsync(ApiClient api, int pipelineId, int target, string name, IReadOnlyList<TableSync>? tables = null, int? port = null)
    {
        var created = await api.PostAsync(
            "destinations", new NewDestination(name, "POSTGRES", new PostgresConfig("127.0.0.1", port ?? PortOf(Targets[target]), Database, "postgres", null)));
        var id = created.As<IdOnly>().Id;
        await api.PostAsync($"pipelines/{pipelineId}/destinations", new AttachDestination(id, null, tables));
        return id;
    }

    /// <summary>The ids of a pipeline's destinations, in the order of the targets.</summary>
    public static async Task<IReadOnlyList<int>> DestinationIdsAsync(ApiClient api, int pipelineId) =>
        [.. (await PipelineAsync(api, pipelineId)).Destinations.Select(d => (int)d.DestinationId)];

    public static async Task<Pipeline> PipelineAsync(ApiClient api, int id)
    {
        var pipeline = (await api.GetAsync($"pipelines/{id}")).As<Pipeline>();
        Wait.Saw(() => JsonSerializer.Serialize(pipeline, Readable));
        return pipeline;
    }

    /// <summary>Waits until every destination has everything that the source had when this was called.</summary>
    public async Task WaitUntilCaughtUpAsync(ApiClient api, int pipelineId, TimeSpan? deadline = null)
    {
        var target = await Source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text");
        await Wait.UntilAsync(
            async () => (await PipelineAsync(api, pipelineId)).Destinations.All(d =>
                d.AppliedLsn is { } applied && Lsn(applied) >= Lsn(target)
                && (d.Tables ?? []).All(t => t.State is "STREAMING" or "INSERT_ONLY" or "EXCLUDED")),
            $"pipeline {pipelineId} to catch up to {target}", deadline ?? Patience);
    }

    /// <summary>Where the pipeline's slot stands.</summary>
    public async Task<ulong> SlotAsync(int pipelineId) =>
        Lsn(await Source.ScalarAsync<string>($"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 'rosetta_p{pipelineId}'"));

    public static ulong Lsn(string? text)
    {
        var parts = text!.Split('/');
        return (Convert.ToUInt64(parts[0], 16) << 32) | Convert.ToUInt64(parts[1], 16);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
        foreach (var proxy in Network)
            await proxy.DisposeAsync();
        foreach (var server in Targets.Append(Source).Append(Config))
            await server.DisposeAsync();
    }

    sealed record IdOnly(int Id);
}
