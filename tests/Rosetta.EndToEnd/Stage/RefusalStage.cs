using Rosetta.Client.Answers;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A pipeline under traffic to two destinations, of which the second refuses one value in fifty, and perhaps a Redis for what is parked.</summary>
sealed class RefusalStage : IAsyncDisposable
{
    /// <summary>Changes of rows of ten kilobytes that cannot be made smaller by much, of which a third is refused.</summary>
    public const string LargePoison =
        """
        UPDATE orders SET v = CASE WHEN id % 3 = 0 THEN 7 ELSE 1 END, step = nextval('steps'), big = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 300 + id - id))
        WHERE id BETWEEN 1500 AND 1589
        """;

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__RECOVERYINTERVAL"] = "00:00:01", ["ROSETTA__PIPELINES__RECOVERYTRIES"] = "1000" };

    readonly ITestOutputHelper _output;
    int _poison = 1_000_000;
    DateTimeOffset _startedAt = DateTimeOffset.MinValue;

    RefusalStage(Installation installation, NodeProcess node, int pipeline, RedisServer? redis, ITestOutputHelper output) =>
        (Installation, Node, Pipeline, Redis, _output) = (installation, node, pipeline, redis, output);

    public Installation Installation { get; }

    public NodeProcess Node { get; }

    public int Pipeline { get; }

    public RedisServer? Redis { get; }

    public PostgresServer Source => Installation.Source;

    public PostgresServer Bad => Installation.Targets[1];

    /// <param name="redis">Running or not; it is the caller's.</param>
    /// <param name="more">Settings of the node, beyond those that try again often, or instead of them.</param>
    /// <param name="schema">Statements at the source after those of <see cref="StepTable"/>.</param>
    public static async Task<RefusalStage> StartAsync(ITestOutputHelper output, RedisServer? redis, IReadOnlyDictionary<string, string?>? more = null, string? schema = null)
    {
        var installation = await Installation.StartAsync(targets: 2);
        await installation.Source.ExecuteAsync($"{StepTable.Schema}{schema}", Installation.Database);
        var settings = new Dictionary<string, string?>(Settings);
        foreach (var (name, value) in more ?? new Dictionary<string, string?>())
            settings[name] = value;
        if (redis is not null)
            settings["REDIS_URL"] = $"redis://{redis.Host}:{redis.Port}";
        var node = await installation.StartNodeAsync(settings);
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(StepTable.Watch, Installation.Database);
        await installation.Targets[1].ExecuteAsync("ALTER TABLE orders ADD CONSTRAINT refused CHECK (v % 50 <> 7) NOT VALID", Installation.Database);
        return new RefusalStage(installation, node, pipeline, redis, output);
    }

    /// <summary>Another incarnation; what the one before has shown does not count any more.</summary>
    public async Task KillNodeAsync()
    {
        await Node.KillAsync();
        _startedAt = DateTimeOffset.UtcNow;
        await Node.StartAsync();
    }

    /// <param name="seed">Printed.</param>
    public SteadyTraffic Traffic(int seed)
    {
        _output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        return SteadyTraffic.Start(Installation.SourceConnection, TimeSpan.FromMilliseconds(8), () => StepTable.SmallStatement(random));
    }

    public PostgresServer Good => Installation.Targets[0];

    public async Task<PipelineDestination> BadAsync() => (await Installation.PipelineAsync(Node.Api, Pipeline)).Destinations[1];

    public Task<long> ParkedAsync() => Bad.ScalarAsync<long>("SELECT count(*) FROM rosetta.parked", Installation.Database);

    public Task WaitForParkedAsync(long more) => Wait.UntilAsync(async () => await ParkedAsync() >= more, $"{more} changes to be parked", Installation.Patience);

    /// <summary>A row that is refused; what is returned is behind it in the source's WAL.</summary>
    public async Task<ulong> PoisonAsync()
    {
        await Source.ExecuteAsync($"INSERT INTO orders (id, v, big) VALUES ({_poison++}, 7, 'poison')", Installation.Database);
        return await EndAsync();
    }

    /// <summary>
    /// The destination that has to park waits at a poison row and says why and what mends it, and the slot waits for it; the other one goes on, under traffic.
    /// </summary>
    /// <param name="health">Of the destination.</param>
    /// <param name="words">In what it says and in the remedy.</param>
    public async Task AssertHeldAsync(SteadyTraffic traffic, string health, params string[] words)
    {
        var poison = await PoisonAsync();
        PipelineDestination? last = null;
        await Wait.UntilAsync(
            async () =>
            {
                var shown = await Installation.PipelineAsync(Node.Api, Pipeline);
                last = shown.Destinations[1];
                return shown.Runtime is { State: "DEGRADED", Since: { } since } && since >= _startedAt && last.HealthStatus == health
                    && words.All(w => $"{last.LastError} {last.Remedy}".Contains(w, StringComparison.Ordinal));
            },
            $"{health} to be shown with {string.Join(", ", words)}", Installation.Patience);
        _output.WriteLine($"{last!.HealthStatus} {last.Lane}: {last.LastError}\n    remedy: {last.Remedy}");
        await traffic.WaitForAsync(300);
        await WaitForGoodAsync();
        Assert.True(Installation.Lsn((await BadAsync()).AppliedLsn) < poison, "The destination went by a row that it refuses and that is nowhere.");
        Assert.True(await StoredAsync() < poison, "The position that the destination stores went by a row that it refuses and that is nowhere.");
        Assert.True(await SlotAsync() < poison, "The slot went by a row that is nowhere else.");
    }

    /// <summary>The destination that refuses nothing follows, up to where the source is now.</summary>
    /// <returns>Where that is.</returns>
    public async Task<ulong> WaitForGoodAsync()
    {
        var end = await EndAsync();
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(Node.Api, Pipeline)).Destinations[0] is { HealthStatus: "HEALTHY", AppliedLsn: { } applied } && Installation.Lsn(applied) >= end,
            "the other destination to follow", Installation.Patience);
        return end;
    }

    /// <summary>Large rows that are refused come until no more of them can be put away.</summary>
    /// <param name="what">Is full then.</param>
    public Task FillAsync(string what) => Wait.UntilAsync(
        async () =>
        {
            await Source.ExecuteAsync(LargePoison, Installation.Database);
            return (await BadAsync()).HealthStatus == "ERROR";
        },
        $"{what} to be full", Installation.Patience);

    /// <summary>Both destinations have come by everything. The good one has all of it, the other one all but the rows of which something is parked.</summary>
    public async Task AssertRestEqualAsync()
    {
        var end = await EndAsync();
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(Node.Api, Pipeline)).Destinations.All(d => d.AppliedLsn is { } applied && Installation.Lsn(applied) >= end),
            "both destinations to have come by everything", Installation.Patience);
        var compared = await DatabaseComparison.CompareAsync(Installation.SourceConnection, Installation.TargetConnection(0), StepTable.Tables);
        Assert.True(compared.Equal, compared.ToString());
        const string keys = "SELECT unnest(array_remove(ARRAY[key[1], moved_to[1]], NULL))::int FROM rosetta.parked";
        var held = await Bad.ScalarAsync<int[]>($"SELECT coalesce(array_agg(DISTINCT k), '{{}}') FROM ({keys}) k (k)", Installation.Database);
        var rest = $"SELECT md5(coalesce(string_agg(id || ' ' || v || ' ' || step || ' ' || md5(coalesce(big, '')), ',' ORDER BY id), '')) FROM orders WHERE id <> ALL ('{{{string.Join(',', held!)}}}')";
        Assert.Equal(await Source.ScalarAsync<string>(rest, Installation.Database), await Bad.ScalarAsync<string>(rest, Installation.Database));
        _output.WriteLine($"{await ParkedAsync()} changes of {held!.Length} keys parked, all other rows equal");
    }

    /// <summary>Nothing is wrong any more with where changes are parked: those that come are, or are applied if nothing refuses them.</summary>
    public async Task AssertGoesOnAsync()
    {
        var poison = await PoisonAsync();
        await Wait.UntilAsync(async () => await BadAsync() is { AppliedLsn: { } applied, LastError: null } && Installation.Lsn(applied) >= poison, "the destination to go on", Installation.Patience);
    }

    /// <summary>Once nothing refuses them, all parked changes come back; everything is equal, and nothing is left of them anywhere.</summary>
    public async Task AssertHealsAsync()
    {
        await DropConstraintAsync();
        await Installation.WaitUntilCaughtUpAsync(Node.Api, Pipeline);
        await RecoverAsync();
        await Wait.UntilAsync(async () => await ParkedAsync() == 0, "nothing to be parked any more", Installation.Patience);
        await AssertEqualAsync();
    }

    public Task<int> DropConstraintAsync() => Bad.ExecuteAsync("ALTER TABLE orders DROP CONSTRAINT IF EXISTS refused", Installation.Database);

    /// <summary>They would come back by themselves, after a pause that has grown by now.</summary>
    public async Task RecoverAsync() =>
        await Node.Api.PostAsync($"pipelines/{Pipeline}/destinations/{(await Installation.DestinationIdsAsync(Node.Api, Pipeline))[1]}/recover-dlq");

    public async Task AssertEqualAsync()
    {
        await Installation.WaitUntilCaughtUpAsync(Node.Api, Pipeline);
        await StepTable.AssertEqualAsync(Installation);
        await Wait.UntilAsync(
            async () =>
            {
                var left = await LeftAsync();
                Wait.Saw(() => string.Join("; ", left));
                return left.Count == 0;
            },
            "no payload to be left", Installation.Patience);
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(Node.Api, Pipeline)).Destinations.All(d => d is { LastError: null, Tables: { } tables } && tables.All(t => t is { State: "STREAMING", Error: null })),
            "nothing to be shown any more", Installation.Patience);
    }

    public async Task<ulong> EndAsync() => Installation.Lsn(await Source.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));

    public Task<ulong> SlotAsync() => Installation.SlotAsync(Pipeline);

    async Task<ulong> StoredAsync() => Installation.Lsn(
        await Bad.ScalarAsync<string>("SELECT position::text FROM rosetta.position ORDER BY updated_at DESC LIMIT 1", Installation.Database));

    /// <summary>What is in the stores of payloads, and in what they know of them.</summary>
    async Task<IReadOnlyList<string?>> LeftAsync()
    {
        var left = new List<string?>(Redis is null ? [] : (await RedisLetters.FindAsync(Redis)).Select(k => $"{k.Key}: {k.Value}"));
        foreach (var table in (string[])["dead_letters", "dead_letter_queues"])
            left.AddRange(await Installation.Config.QueryAsync<string>($"SELECT '{table}: ' || t FROM {table} t LIMIT 5", "rosetta"));
        return left;
    }

    public ValueTask DisposeAsync() => Installation.DisposeAsync();
}
