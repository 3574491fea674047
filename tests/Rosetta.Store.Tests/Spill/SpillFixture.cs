using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Runtime;
using Rosetta.Store.Spill;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

/// <summary>A server for the tests of the spill log alone: some kill it.</summary>
public sealed class SpillFixture : IAsyncLifetime
{
    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "spill" });

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>Each test has a database of its own with a pipeline, its epoch, and an opened spill log of its destination.</summary>
public abstract class SpillTests(SpillFixture fixture) : IClassFixture<SpillFixture>, IAsyncLifetime
{
    protected static CancellationToken None => CancellationToken.None;

    protected PostgresServer Server => fixture.Server;

    protected string Url { get; private set; } = "";

    protected StoreUnderTest Config { get; private set; } = null!;

    protected ConfigSpillStore Store { get; private set; } = null!;

    protected SpillLog Log { get; private set; } = null!;

    protected long Epoch { get; private set; }

    public async Task InitializeAsync()
    {
        var name = $"spill_{Guid.NewGuid():N}";
        await Server.CreateDatabaseAsync(name);
        Url = StoreUnderTest.Patient($"Host={Server.Host};Port={Server.Port};Database={name};Username=postgres");
        Config = await StoreUnderTest.OpenAsync(Url);
        Store = new ConfigSpillStore(Config.Database);
        var pipeline = await Config.AddPipelineAsync(destinations: 2);
        Log = new SpillLog(pipeline.Id, pipeline.Destinations[0].Destination.Id, pipeline.Destinations[0].Generation);
        Other = new SpillLog(pipeline.Id, pipeline.Destinations[1].Destination.Id, pipeline.Destinations[1].Generation);
        Epoch = await IssueAsync();
        Assert.Null(await Store.OpenAsync(Log, Epoch, None));
    }

    /// <summary>Of the pipeline's other destination.</summary>
    protected SpillLog Other { get; private set; } = null!;

    public async Task DisposeAsync()
    {
        await Store.DisposeAsync();
        await Config.DisposeAsync();
    }

    protected async Task<long> IssueAsync() => (await new EpochRepository(Config.Database).IssueAsync(Log.PipelineId, null, None))!.Value;

    protected Task<SpillExtent> AppendAsync(SpillPart part, ulong from = 100) => Store.AppendAsync(Log, Epoch, new Lsn(from), part, None);

    /// <summary>Whole transactions, the last of which ends there.</summary>
    protected static SpillPart Whole(ulong through, int transactions = 1, int bytes = 100) => new(new Lsn(through), transactions, Noise(bytes, (int)through));

    /// <summary>A piece of one transaction.</summary>
    protected static SpillPart Piece(int seed) => new(null, 0, Noise(100, seed));

    /// <summary>As <see cref="Whole"/>, and can be read as batches.</summary>
    protected static SpillPart Readable(ulong through)
    {
        var builder = new ChangeBatchBuilder();
        var relation = new Relation(1, "public", "t", ReplicaIdentity.Default, [new RelationColumn("id", 20, -1, true)]);
        builder.Begin(1, new Lsn(through - 5), 1);
        builder.AddInsert(relation, [0, 1, (byte)'n']);
        builder.Commit(new Lsn(through));
        var payload = new PooledBytes(1000);
        BatchCodec.Encode(builder.Build(), ref payload);
        return new SpillPart(new Lsn(through), 1, payload.Array.AsMemory(0, payload.Length));
    }

    /// <summary>Everything that can be read, as whoever drains it does.</summary>
    protected async Task<List<StoredPart>> ReadAllAsync(long after = 0)
    {
        var parts = new List<StoredPart>();
        while (await Store.ReadAsync(Log, parts.LastOrDefault()?.Sequence ?? after, None) is { } part) parts.Add(part);
        return parts;
    }

    protected static void AssertSame(IReadOnlyList<SpillPart> expected, IReadOnlyList<StoredPart> found)
    {
        Assert.Equal(expected.Select(p => p with { Payload = default }), found.Select(p => p.Part with { Payload = default }));
        Assert.All(expected.Zip(found), pair => Assert.True(pair.First.Payload.Span.SequenceEqual(pair.Second.Part.Payload.Span), $"payload of {pair.Second.Sequence}"));
    }

    protected static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected async Task<SpillExtent?> ReopenAsync(long? epoch = null)
    {
        SpillExtent? extent = null;
        await Wait.UntilAsync(
            async () =>
            {
                extent = await Store.OpenAsync(Log, epoch ?? Epoch, None);
                return true;
            },
            "the store to answer again");
        return extent;
    }
}
