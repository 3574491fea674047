using System.Diagnostics;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Snapshot;

/// <summary>Ways to bring one table to an empty database of the target server; each returns when all rows are there.</summary>
sealed class Copier(BenchDatabases databases, string table)
{
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    PostgresServer Source => databases.Source;

    PostgresServer Target => databases.Targets[0];

    /// <summary>A pipeline that is made, started and streams. It stays.</summary>
    public async Task<long> ByRosettaAsync(ApiClient api, string database, CancellationToken cancellationToken)
    {
        var from = (await api.PostAsync(
            "sources", new NewSource(database, Source.Host, Source.Port, BenchDatabases.SourceDatabase, "postgres", null), cancellationToken)).As<Client.Answers.Source>();
        var to = (await api.PostAsync(
            "destinations", new NewDestination(database, "POSTGRES", new PostgresConfig(Target.Host, Target.Port, database, "postgres", null)), cancellationToken)).As<Destination>();
        var pipeline = (await api.PostAsync("pipelines", new NewPipeline(database, from.Id), cancellationToken)).As<Pipeline>();
        await api.PostAsync($"pipelines/{pipeline.Id}/destinations", new AttachDestination(to.Id), cancellationToken);
        await api.PostAsync($"pipelines/{pipeline.Id}/start", null, cancellationToken);
        await WaitAsync(
            database, $"SELECT count(*) = 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'rosetta' AND relname = 'backfills'", cancellationToken);
        await ByRosettaAsync(database, table, cancellationToken);
        return pipeline.Id;
    }

    /// <summary>Waits until a running pipeline has brought a table.</summary>
    public Task ByRosettaAsync(string database, string name, CancellationToken cancellationToken) => WaitAsync(
        database, $"SELECT count(*) = 1 FROM rosetta.tables WHERE source_table = '{name}' AND since IS NOT NULL AND copying IS NULL", cancellationToken);

    /// <summary>Two psql and a pipe, in binary form, into a table with its key.</summary>
    public async Task ByPipeAsync(string database, CancellationToken cancellationToken)
    {
        await Target.ExecuteAsync(BenchTables.MixedSql(table), database, cancellationToken);
        await ShellAsync(
            $"{Program("psql")} {From} -qc 'COPY {table} TO STDOUT (FORMAT binary)' | {Program("psql")} {To(database)} -qc 'COPY {table} FROM STDIN (FORMAT binary)'", cancellationToken);
    }

    /// <summary>pg_dump into psql, schema and key included.</summary>
    public Task ByDumpAsync(string database, CancellationToken cancellationToken) =>
        ShellAsync($"{Program("pg_dump")} {From} -t {table} | {Program("psql")} {To(database)} -q -o /dev/null", cancellationToken);

    /// <summary>The initial copy of a subscription.</summary>
    public async Task BySubscriptionAsync(string database, CancellationToken cancellationToken)
    {
        await Target.ExecuteAsync(BenchTables.MixedSql(table), database, cancellationToken);
        await Source.ExecuteAsync($"DROP PUBLICATION IF EXISTS one_table; CREATE PUBLICATION one_table FOR TABLE {table}", BenchDatabases.SourceDatabase, cancellationToken);
        await Target.ExecuteAsync(
            $"CREATE SUBSCRIPTION {database} CONNECTION 'host={Source.Host} port={Source.Port} dbname={BenchDatabases.SourceDatabase} user=postgres' PUBLICATION one_table",
            database, cancellationToken);
        await WaitAsync(database, "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'", cancellationToken);
    }

    /// <summary>Ends what <see cref="BySubscriptionAsync"/> began.</summary>
    public Task EndSubscriptionAsync(string database, CancellationToken cancellationToken) =>
        Target.ExecuteAsync($"DROP SUBSCRIPTION {database}", database, cancellationToken);

    async Task WaitAsync(string database, string sql, CancellationToken cancellationToken)
    {
        await using var watch = await BenchDatabases.WatchAsync(Target, database, cancellationToken);
        await using var look = new Npgsql.NpgsqlCommand(sql, watch);
        using var pace = new PeriodicTimer(Look);
        while (await look.ExecuteScalarAsync(cancellationToken) is not true)
            await pace.WaitForNextTickAsync(cancellationToken);
    }

    string From => $"-h {Source.Host} -p {Source.Port} -U postgres -d {BenchDatabases.SourceDatabase}";

    string To(string database) => $"-h {Target.Host} -p {Target.Port} -U postgres -d {database}";

    string Program(string name) => Target.Program(name);

    static async Task ShellAsync(string command, CancellationToken cancellationToken)
    {
        using var shell = Process.Start(new ProcessStartInfo("bash", ["-c", $"set -euo pipefail; {command}"]))!;
        await shell.WaitForExitAsync(cancellationToken);
        if (shell.ExitCode != 0)
            throw new InvalidOperationException($"Exit code {shell.ExitCode} of: {command}");
    }
}
