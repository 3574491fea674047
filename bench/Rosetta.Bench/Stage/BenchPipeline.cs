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
        foreach (var target in targets)
        {
            var config = new PostgresConfig(target.Host, target.Port, database, "postgres", null);
            var to = (await api.PostAsync("destinations", new NewDestination($"{target.Name}-{database}", "POSTGRES", config), cancellationToken)).As<Destination>();
            await api.PostAsync($"pipelines/{pipeline.Id}/destinations", new AttachDestination(to.Id, TableSyncs: tables), cancellationToken);
        }

        return new BenchPipeline(api, pipeline.Id);
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
