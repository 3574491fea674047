using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Core.Positions;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;

namespace Rosetta.Bench.Stage;

/// <summary>A pipeline from the source to targets, over the API.</summary>
sealed class BenchPipeline(ApiClient api, long id)
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    /// <summary>Makes it, with a destination for each target; not started.</summary>
    /// <param name="database">At the targets.</param>
    /// <param name="tables">Null: all of the source.</param>
    public static async Task<BenchPipeline> CreateAsync(
        ApiClient api, PostgresServer source, IReadOnlyList<PostgresServer> targets, CancellationToken cancellationToken,
        string database = BenchDatabases.RosettaDatabase, IReadOnlyList<TableSync>? tables = null)
    {
        var from = (await api.PostAsync(
            "sources", new NewSource(database, source.Host, source.Port, BenchDatabases.SourceDatabase, "postgres", null), cancellationToken)).As<Source>();
        var pipeline = (await api.PostAsync("pipelines", new NewPipeline(database, from.Id), cancellationToken)).As<Pipeline>();
        var made = new BenchPipeline(api, pipeline.Id);
        foreach (var target in targets)
            await made.AttachAsync(target, database, cancellationToken, tables);
        return made;
    }

    /// <summary>Makes a destination of a target's database and adds it.</summary>
    /// <param name="port">Where something stands before the target.</param>
    public async Task AttachAsync(PostgresServer target, string database, CancellationToken cancellationToken, IReadOnlyList<TableSync>? tables = null, int? port = null)
    {
        var config = new PostgresConfig(target.Host, port ?? target.Port, database, "postgres", null);
        var to = (await api.PostAsync("destinations", new NewDestination($"{target.Name}-{database}", "POSTGRES", config), cancellationToken)).As<Destination>();
        await api.PostAsync($"pipelines/{id}/destinations", new AttachDestination(to.Id, TableSyncs: tables), cancellationToken);
    }

    /// <summary>Chooses other tables at its only destination.</summary>
    public async Task ReplaceTablesAsync(IReadOnlyList<TableSync> tables, CancellationToken cancellationToken)
    {
        var to = (await ReadAsync(cancellationToken)).Destinations.Single().DestinationId;
        await api.PutAsync($"pipelines/{id}/destinations/{to}/tables", new ReplaceTables(tables), cancellationToken);
    }

    public async Task<Pipeline> ReadAsync(CancellationToken cancellationToken) =>
        (await api.GetAsync($"pipelines/{id}", cancellationToken)).As<Pipeline>();

    public Task StartAsync(CancellationToken cancellationToken) => api.PostAsync($"pipelines/{id}/start", null, cancellationToken);

    /// <summary>Pauses it and waits until it has stopped.</summary>
    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        await api.PostAsync($"pipelines/{id}/pause", null, cancellationToken);
        await Wait.UntilAsync(
            async () => (await ReadAsync(cancellationToken)).Runtime.State == "STOPPED", "the pipeline to stop", Deadline, cancellationToken);
    }

    /// <summary>Waits until every table follows and every destination has everything before <paramref name="walEnd"/>.</summary>
    public Task WaitUntilAppliedAsync(string walEnd, CancellationToken cancellationToken)
    {
        var goal = Lsn.Parse(walEnd);
        return Wait.UntilAsync(
            async () => (await ReadAsync(cancellationToken)).Destinations.All(d =>
                d.AppliedLsn is { } applied && Lsn.Parse(applied) >= goal && d.Tables is { Count: > 0 } tables && tables.All(t => t.State == "STREAMING")),
            $"the pipeline to reach {walEnd}", Deadline, cancellationToken);
    }
}
