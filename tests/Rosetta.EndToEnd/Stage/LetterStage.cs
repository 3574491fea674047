using System.Globalization;
using System.Text.Json.Nodes;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>
/// A pipeline to one destination that refuses some rows. It parks them and never tries them by itself; what the destination writes of a table is noted there, so that
/// nothing comes twice unseen.
/// </summary>
public sealed partial class LetterStage : IAsyncDisposable
{
    const string Schema =
        """
        CREATE TABLE orders (id int PRIMARY KEY, v int NOT NULL, note text);
        CREATE TABLE others (id int PRIMARY KEY, v int);
        CREATE TABLE facts (v int, w text);
        ALTER TABLE facts REPLICA IDENTITY FULL;
        INSERT INTO orders SELECT i, 0, 'n' FROM generate_series(1, 2500) i;
        INSERT INTO others SELECT i, 0 FROM generate_series(1, 100) i;
        INSERT INTO facts VALUES (1, 'a');
        """;

    const string Harm =
        """
        CREATE TABLE writes (n bigint GENERATED ALWAYS AS IDENTITY, id int, v int);
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO writes (id, v) VALUES (NEW.id, NEW.v); RETURN NULL; END $$;
        CREATE TRIGGER noted AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
        ALTER TABLE orders ENABLE ALWAYS TRIGGER noted;
        ALTER TABLE orders ADD CONSTRAINT small CHECK (v < 100);
        ALTER TABLE others ADD CONSTRAINT small CHECK (v < 100);
        ALTER TABLE facts ADD CONSTRAINT small CHECK (v < 100);
        """;

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__PARKING"] = "true", ["ROSETTA__PIPELINES__RECOVERYINTERVAL"] = "00:00:01", ["ROSETTA__PIPELINES__RECOVERYTRIES"] = "0" };

    readonly IReadOnlyDictionary<string, string?> _settings;

    LetterStage(Installation installation, IReadOnlyDictionary<string, string?> settings, int pipeline, int destination, RedisServer? redis) =>
        (Installation, _settings, Pipeline, Destination, Redis) = (installation, settings, pipeline, destination, redis);

    public Installation Installation { get; }

    public int Pipeline { get; }

    public int Destination { get; }

    /// <summary>Has the payloads, if there is one.</summary>
    public RedisServer? Redis { get; }

    public NodeProcess Node => Installation.Nodes[0];

    public PostgresServer Target => Installation.Targets[0];

    /// <summary>Of the destination's calls.</summary>
    public string Path => $"pipelines/{Pipeline}/destinations/{Destination}";

    /// <summary>Where something is going to be killed, and has to keep what it has acknowledged.</summary>
    public static Task<LetterStage> StartAsync(Victim victim) => StartAsync(durableTarget: victim == Victim.Destination, inRedis: victim == Victim.Redis);

    /// <param name="inRedis">The payloads are in a Redis that loses none.</param>
    public static async Task<LetterStage> StartAsync(int nodes = 1, bool durableTarget = false, bool inRedis = false)
    {
        var redis = inRedis ? await RedisServer.StartAsync(new RedisServerOptions { Durable = true }) : null;
        var installation = await Installation.StartAsync(targets: 1, durableTargets: durableTarget);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var settings = redis is null ? Settings : new Dictionary<string, string?>(Settings) { ["REDIS_URL"] = $"redis://{redis.Host}:{redis.Port}" };
        for (var i = 0; i < nodes; i++)
            await installation.StartNodeAsync(settings);
        var api = installation.Nodes[0].Api;
        var pipeline = await installation.CreatePipelineAsync(api);
        await installation.WaitUntilCaughtUpAsync(api, pipeline);
        await installation.Targets[0].ExecuteAsync(Harm, Installation.Database);
        return new LetterStage(installation, settings, pipeline, (await Installation.DestinationIdsAsync(api, pipeline))[0], redis);
    }

    public Task<int> SourceAsync(string sql) => Installation.Source.ExecuteAsync(sql, Installation.Database);

    public Task<int> TargetAsync(string sql) => Target.ExecuteAsync(sql, Installation.Database);

    public Task<T?> TargetScalarAsync<T>(string sql) => Target.ScalarAsync<T>(sql, Installation.Database);

    public Task<T?> ConfigScalarAsync<T>(string sql) => Installation.Config.ScalarAsync<T>(sql, "rosetta");

    public Task<long> ParkedAsync(string where = "true") => TargetScalarAsync<long>($"SELECT count(*) FROM rosetta.parked WHERE {where}");

    public Task WaitForParkedAsync(long count, string where = "true") =>
        Wait.UntilAsync(async () => await ParkedAsync(where) == count, $"{count} changes to be parked", Installation.Patience);

    /// <summary>Five hundred changes are refused, too few of their table's to be the table's fault.</summary>
    public async Task ParkManyAsync()
    {
        await SourceAsync("UPDATE orders SET v = CASE WHEN id % 5 = 0 THEN 100 ELSE 1 END");
        await WaitForParkedAsync(500);
    }

    /// <summary>Nothing refuses orders any more, and a transaction of a hundred takes about a second.</summary>
    public Task<int> SlowDownAsync() => TargetAsync(
        """
        ALTER TABLE orders DROP CONSTRAINT small;
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION slow();
        ALTER TABLE orders ENABLE ALWAYS TRIGGER slow;
        """);

    /// <summary>How many payloads are kept.</summary>
    public async Task<long> PayloadsAsync() => Redis is null ? await ConfigScalarAsync<long>("SELECT count(*) FROM dead_letters") : await RedisLetters.EntriesAsync(Redis);

    /// <summary>The ids of what is parked, oldest first.</summary>
    public async Task<IReadOnlyList<string>> EntriesAsync(string? table = null) =>
        [.. (await Node.Api.GetAsync($"{Path}/dlq?limit=100{(table is null ? "" : $"&table={table}")}")).As<DeadLetters>().Items.Select(l => l.Id)];

    public async Task<string> OrderAsync(string what, object? body = null, ApiClient? api = null) =>
        (string)JsonNode.Parse((await (api ?? Node.Api).PostAsync($"{Path}/{what}", body)).Text)!["recovery_id"]!;

    public async Task<Ordered> FindAsync(string id, ApiClient? api = null) => new(JsonNode.Parse((await (api ?? Node.Api).GetAsync($"{Path}/recover-dlq/{id}")).Text)!);

    public async Task<Ordered> CancelAsync(string id) => new(JsonNode.Parse((await Node.Api.PostAsync($"{Path}/recover-dlq/{id}/cancel")).Text)!);

    public async Task<Ordered> EndAsync(string id, ApiClient? api = null) => (await Wait.ForAsync(
        async () => await FindAsync(id, api) is { IsOpen: false } ended ? ended : null, $"order {id} to end", Installation.Patience))!;

    /// <summary>Orders something and waits for its end.</summary>
    public async Task<Ordered> DoAsync(string what, object? body = null) => await EndAsync(await OrderAsync(what, body));

    /// <summary>Nothing is parked any more, no payload is left, no record of the audit is open, the tables stream.</summary>
    public async Task AssertNothingLeftAsync(ApiClient? api = null)
    {
        Assert.Equal(0, await ParkedAsync());
        await Wait.UntilAsync(
            async () => await ConfigScalarAsync<long>("SELECT (SELECT count(*) FROM dead_letters) + (SELECT count(*) FROM dead_letter_queues)") == 0 && (Redis is null || await RedisLetters.CountAsync(Redis) == 0),
            "no payload to be left", Installation.Patience);
        Assert.Equal(0, await ConfigScalarAsync<long>("SELECT count(*) FROM dead_letter_audit WHERE done_at IS NULL"));
        await Installation.WaitUntilCaughtUpAsync(api ?? Node.Api, Pipeline);
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(api ?? Node.Api, Pipeline)).Destinations[0].Tables!.All(t => t is { State: "STREAMING", Error: null }), "all tables to stream", Installation.Patience);
    }

    public async Task AssertSameAsync(params string[] tables)
    {
        foreach (var table in tables)
        {
            var sql = $"SELECT coalesce(string_agg(t::text, ',' ORDER BY t::text), '') FROM {table} t";
            Assert.Equal(await Installation.Source.ScalarAsync<string>(sql, Installation.Database), await TargetScalarAsync<string>(sql));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Installation.DisposeAsync();
        if (Redis is not null)
            await Redis.DisposeAsync();
    }
}

/// <summary>An order as the API shows it.</summary>
public sealed record Ordered(JsonNode Json)
{
    public string State => (string)Json["state"]!;

    public bool IsOpen => State is "PENDING" or "EXECUTING";

    public string? Error => (string?)Json["error"];

    public string? Waiting => (string?)Json["waiting"];

    public JsonNode? Result => Json["result"];

    public long this[string count] => (long)Json[count]!;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Json.ToJsonString()}");
}
