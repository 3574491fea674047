using System.Net.Http.Headers;
using Rosetta.Client;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>What is wrong outside gets an answer that says what to do; the node and its other pipelines go on.</summary>
public sealed class BadInputTests
{
    const string Password = "it's;\"right\"";

    [Fact]
    public async Task Should_copy_and_follow_names_with_quotes_and_semicolons()
    {
        const string database = "d\"a';--", schema = "s\"c'h;--", table = "t\"a.b';--", key = "k\"e'y;--", publication = "p\"u'b;--";
        string Quoted(params string[] names) => string.Join('.', names.Select(SqlName.Quote));
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.CreateDatabaseAsync(database);
        await installation.Targets[0].CreateDatabaseAsync(database);
        await installation.Source.ExecuteAsync(
            $"""
            CREATE SCHEMA {Quoted(schema)};
            CREATE TABLE {Quoted(schema, table)} ({Quoted(key)} text PRIMARY KEY, {Quoted("v;")} text);
            INSERT INTO {Quoted(schema, table)} VALUES ('a"b''c;', 'copied'), ('gone', 'x')
            """,
            database);
        var api = (await installation.StartNodeAsync()).Api;
        var source = (await api.PostAsync("sources", new NewSource(
            "s'o;\"", "127.0.0.1", installation.Source.Port, database, "postgres", null, PublicationName: publication, ReplicationName: "odd"))).As<Created>().Id;
        var destination = (await api.PostAsync("destinations", new NewDestination(
            "d'e;\"", "POSTGRES", new PostgresConfig("127.0.0.1", installation.Targets[0].Port, database, "postgres", null)))).As<Created>().Id;
        var pipeline = (await api.PostAsync("pipelines", new NewPipeline("p'i;\"--", source))).As<Created>().Id;
        await api.PostAsync($"pipelines/{pipeline}/destinations", new AttachDestination(destination, null, null));
        await api.PostAsync($"pipelines/{pipeline}/start");
        await CaughtUpAsync();

        await installation.Source.ExecuteAsync(
            $"""
            INSERT INTO {Quoted(schema, table)} VALUES ('new;', '''); DROP TABLE x; --');
            UPDATE {Quoted(schema, table)} SET {Quoted(key)} = 'moved"', {Quoted("v;")} = 'y' WHERE {Quoted(key)} LIKE 'a%';
            DELETE FROM {Quoted(schema, table)} WHERE {Quoted(key)} = 'gone'
            """,
            database);
        await CaughtUpAsync();

        var result = await DatabaseComparison.CompareAsync(
            installation.Source.ConnectionString(database), installation.Targets[0].ConnectionString(database), [TablePair.Same(schema, table)]);
        Assert.True(result.Equal, result.ToString());
        Assert.Equal(2, await installation.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Quoted(schema, table)}", database));

        // A resync names it in the URL, and the slot and the publication go with the pipeline.
        await api.PostAsync($"pipelines/{pipeline}/destinations/{destination}/tables/{Uri.EscapeDataString($"{Quoted(schema)}.{Quoted(table)}")}/resync");
        await CaughtUpAsync();
        await api.PostAsync($"pipelines/{pipeline}/pause");
        await WaitForStateAsync(api, pipeline, "STOPPED");
        await api.DeleteAsync($"pipelines/{pipeline}");
        Assert.Equal(0, await installation.Source.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));

        Task CaughtUpAsync() => installation.WaitUntilCaughtUpAsync(api, pipeline);
    }

    [Fact]
    public async Task Should_say_what_is_wrong_with_a_source_or_destination_and_go_on()
    {
        await using var installation = await Installation.StartAsync(targets: 1, source: new PostgresServerOptions
        {
            HbaLines = ["host all limited 127.0.0.1/32 scram-sha-256"],
        });
        await using var notLogical = await PostgresServer.StartAsync(new PostgresServerOptions
        {
            Name = "not-logical", Settings = new Dictionary<string, string> { ["wal_level"] = "replica" },
        });
        await notLogical.CreateDatabaseAsync(Installation.Database);
        await installation.Source.ExecuteAsync(
            $"""
            CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE keyless (v text);
            INSERT INTO t VALUES (1); INSERT INTO keyless VALUES ('a');
            CREATE ROLE limited LOGIN PASSWORD {SqlName.Literal(Password)}
            """,
            Installation.Database);
        var node = await installation.StartNodeAsync();
        var api = node.Api;
        var good = await installation.CreatePipelineAsync(api, "good");
        await installation.WaitUntilCaughtUpAsync(api, good);

        var source = installation.Source.Port;
        await RemedyAsync("unknown host", new NewSource("a", "no-such-host.invalid", 5432, "app", "u", null), "RETRYING", "ERROR");
        await RemedyAsync("wrong password", new NewSource("b", "127.0.0.1", source, "app", "limited", "wrong"), "ERROR");
        await RemedyAsync("unknown database", new NewSource("c", "127.0.0.1", source, "no such", "postgres", null), "ERROR");
        Assert.Contains("wal_level", await RemedyAsync("wal_level", new NewSource("d", "127.0.0.1", notLogical.Port, "app", "postgres", null), "ERROR"), StringComparison.Ordinal);
        Assert.Contains("REPLICATION", await RemedyAsync("privilege", new NewSource("e", "127.0.0.1", source, "app", "limited", Password), "ERROR"), StringComparison.OrdinalIgnoreCase);

        // A table without a key takes inserts only, and says so; the rest is fine.
        var tables = (await Installation.PipelineAsync(api, good)).Destinations[0].Tables!;
        Assert.Equal("INSERT_ONLY", tables.Single(t => t.Table == "public.keyless").State);
        await installation.Source.ExecuteAsync("INSERT INTO t VALUES (2); INSERT INTO keyless VALUES ('b')", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(api, good);
        Assert.Equal(2, await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM keyless", Installation.Database));
        Assert.False(node.Process.HasExited);

        async Task<string> RemedyAsync(string what, NewSource wrong, params string[] states)
        {
            var id = (await api.PostAsync("sources", wrong)).As<Created>().Id;
            var pipeline = (await api.PostAsync("pipelines", new NewPipeline(what, id))).As<Created>().Id;
            await installation.AttachAsync(api, pipeline, 0, $"{what} target");
            await api.PostAsync($"pipelines/{pipeline}/start");
            var runtime = (await Wait.ForAsync(
                async () => await Installation.PipelineAsync(api, pipeline) is { Runtime: { Remedy: not null } r } p && states.Contains(r.State) ? p : null,
                $"{what} to be shown", Installation.Patience)).Runtime;
            Assert.False(string.IsNullOrWhiteSpace(runtime.LastError), what);
            Assert.DoesNotContain(Password, $"{runtime.LastError}{runtime.Remedy}", StringComparison.Ordinal);
            await api.PostAsync($"pipelines/{pipeline}/pause");
            return $"{runtime.LastError} {runtime.Remedy}";
        }
    }

    [Fact]
    public async Task Should_survive_garbage_on_every_route_that_takes_a_body()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY)", Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var seed = Environment.TickCount;
        var garbage = new byte[1 << 20];
        new Random(seed).NextBytes(garbage);
        using var client = new HttpClient { BaseAddress = node.Address };

        foreach (var path in (string[])["sources", "sources/test-connection", "destinations", "pipelines", $"pipelines/{pipeline}/destinations", $"pipelines/{pipeline}/resync"])
        {
            Assert.True(await StatusAsync(path, garbage) == 400, $"{path}, seed {seed}");
            Assert.Equal(413, await StatusAsync(path, [.. garbage, 0]));
        }

        await installation.Source.ExecuteAsync("INSERT INTO t VALUES (1)", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);

        async Task<int> StatusAsync(string path, byte[] body)
        {
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var answer = await client.PostAsync(new Uri($"/api/v1/{path}", UriKind.Relative), content);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
            return (int)answer.StatusCode;
        }
    }

    static Task WaitForStateAsync(ApiClient api, int pipeline, string state) => Wait.UntilAsync(
        async () => (await Installation.PipelineAsync(api, pipeline)).Runtime.State == state, $"the pipeline to be {state}", Installation.Patience);

    sealed record Created(int Id);
}
