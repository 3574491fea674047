using System.Diagnostics;
using Rosetta.Bench.Stage;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Snapshot;

/// <summary>Ways to bring a database's tables to an empty database of the target server; each returns when all rows are there.</summary>
/// <param name="from">The database at the source.</param>
/// <param name="createSql">Makes its tables, without rows.</param>
/// <param name="tables">How many they are.</param>
sealed class Copier(BenchDatabases databases, string from, string createSql, int tables)
{
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    PostgresServer Source => databases.Source;

    PostgresServer Target => databases.Targets[0];

    /// <summary>Makes a pipeline without starting it.</summary>
    public async Task<long> PrepareAsync(ApiClient api, string database, CancellationToken cancellationToken)
    {
        var source = (await api.PostAsync(
            "sources", new NewSource(database, Source.Host, Source.Port, from, "postgres", null), cancellationToken)).As<Client.Answers.Source>();
        var to = (await api.PostAsync(
            "destinations", new NewDestination(database, "POSTGRES", new PostgresConfig(Target.Host, Target.Port, database, "postgres", null)), cancellationToken)).As<Destination>();
        var pipeline = (await api.PostAsync("pipelines", new NewPipeline(database, source.Id), cancellationToken)).As<Pipeline>();
        await api.PostAsync($"pipelines/{pipeline.Id}/destinations", new AttachDestination(to.Id), cancellationToken);
        return pipeline.Id;
    }

    /// <summary>Starts the pipeline of a database and waits until all tables have come. It stays.</summary>
    public async Task<long> ByRosettaAsync(ApiClient api, string database, CancellationToken cancellationToken)
    {
        var pipeline = (await api.GetAsync("pipelines", cancellationToken)).As<Page<Pipeline>>().Items.Single(p => p.Name == database);
        await api.PostAsync($"pipelines/{pipeline.Id}/start", null, cancellationToken);
        await ComesAsync(database, tables, cancellationToken);
        return pipeline.Id;
    }

    /// <summary>Waits until so many tables have come to a database that was new.</summary>
    public async Task ComesAsync(string database, int number, CancellationToken cancellationToken)
    {
        await WaitAsync(
            database, $"SELECT count(*) = 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'rosetta' AND relname = 'claims'", cancellationToken);
        await HasAsync(database, number, cancellationToken);
    }

    /// <summary>Waits until a running pipeline has brought so many tables.</summary>
    public Task HasAsync(string database, int number, CancellationToken cancellationToken) =>
        WaitAsync(database, $"SELECT count(*) = {number} FROM rosetta.tables WHERE since IS NOT NULL AND copying IS NULL", cancellationToken);

    /// <summary>Two psql and a pipe, in binary form, into tables with their keys.</summary>
    public async Task ByPipeAsync(string database, string table, CancellationToken cancellationToken)
    {
        await Target.ExecuteAsync(createSql, database, cancellationToken);
        await ShellAsync(
            $"{Program("psql")} {From} -qc 'COPY {table} TO STDOUT (FORMAT binary)' | {Program("psql")} {To(database)} -qc 'COPY {table} FROM STDIN (FORMAT binary)'", cancellationToken);
    }

    /// <summary>Rows that meet a condition, into another table.</summary>
    public Task PartByPipeAsync(string database, string table, string condition, string into, CancellationToken cancellationToken) => ShellAsync(
        $"{Program("psql")} {From} -qc 'COPY (SELECT * FROM {table} WHERE {condition}) TO STDOUT (FORMAT binary)' | {Program("psql")} {To(database)} -qc 'COPY {into} FROM STDIN (FORMAT binary)'",
        cancellationToken);

    /// <summary>pg_dump into psql, schema and keys included.</summary>
    public Task ByDumpAsync(string database, CancellationToken cancellationToken) =>
        ShellAsync($"{Program("pg_dump")} {From} | {Program("psql")} {To(database)} -q -o /dev/null", cancellationToken);

    /// <summary>pgcopydb with as many jobs as there are cores, schema and keys included.</summary>
    public Task ByPgcopydbAsync(string database, CancellationToken cancellationToken) => ShellAsync(
        $"""
        d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
        PATH={Path.GetDirectoryName(Program("psql"))}:$PATH pgcopydb clone --dir "$d/work" --no-acl --no-owner --skip-extensions --skip-large-objects \
          --table-jobs {Environment.ProcessorCount} --index-jobs {Environment.ProcessorCount} \
          --source 'postgres://postgres@{Source.Host}:{Source.Port}/{from}' --target 'postgres://postgres@{Target.Host}:{Target.Port}/{database}' >"$d/log" 2>&1 || (tail -20 "$d/log" >&2; exit 1)
        """, cancellationToken);

    /// <summary>The initial copy of a subscription.</summary>
    public async Task BySubscriptionAsync(string database, CancellationToken cancellationToken)
    {
        await Target.ExecuteAsync(createSql, database, cancellationToken);
        await Source.ExecuteAsync($"DROP PUBLICATION IF EXISTS all_tables; CREATE PUBLICATION all_tables FOR ALL TABLES", from, cancellationToken);
        await Target.ExecuteAsync(
            $"CREATE SUBSCRIPTION {database} CONNECTION 'host={Source.Host} port={Source.Port} dbname={from} user=postgres' PUBLICATION all_tables",
            database, cancellationToken);
        await WaitAsync(database, "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'", cancellationToken);
    }

    /// <summary>Ends what <see cref="BySubscriptionAsync"/> began.</summary>
    public async Task EndSubscriptionAsync(string database, CancellationToken cancellationToken)
    {
        await Target.ExecuteAsync($"DROP SUBSCRIPTION {database}", database, cancellationToken);
        await Source.ExecuteAsync("DROP PUBLICATION all_tables", from, cancellationToken);
    }

    async Task WaitAsync(string database, string sql, CancellationToken cancellationToken)
    {
        await using var watch = await BenchDatabases.WatchAsync(Target, database, cancellationToken);
        await using var look = new Npgsql.NpgsqlCommand(sql, watch);
        using var pace = new PeriodicTimer(Look);
        while (await look.ExecuteScalarAsync(cancellationToken) is not true)
            await pace.WaitForNextTickAsync(cancellationToken);
    }

    string From => $"-h {Source.Host} -p {Source.Port} -U postgres -d {from}";

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
