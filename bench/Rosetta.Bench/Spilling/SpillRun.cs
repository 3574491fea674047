using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Processes;
using Rosetta.Core.Changes;
using Rosetta.Core.Spill;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Spilling;

/// <summary>Batches are encoded, made small and written, and come back as batches.</summary>
sealed record SpillRun(string Place, long Raw, long Stored, SpillRun.Leg Write, SpillRun.Leg Read)
{
    /// <param name="Node">CPU seconds of this process.</param>
    /// <param name="Server">Of the config database's server, all of its processes.</param>
    public sealed record Leg(double Seconds, double Node, double Server);

    public static async Task<SpillRun> MeasureAsync(ISpillPlace place, BatchStream stream, PostgresServer config, CancellationToken cancellationToken)
    {
        await place.BeginAsync(cancellationToken);
        var write = await TimeAsync(config, async () =>
        {
            foreach (var run in stream.Parts)
            {
                var payload = new PooledBytes(8 << 20);
                run.Encode(ref payload);
                await place.AppendAsync(new SpillPart(run.Through, 1, payload.Array.AsMemory(0, payload.Length)), cancellationToken);
                ArrayPool<byte>.Shared.Return(payload.Array);
            }
        });
        long changes = 0;
        var read = await TimeAsync(config, async () =>
        {
            while (await place.ReadAsync(cancellationToken) is { } payload)
            {
                foreach (var batch in BatchCodec.Decode(payload.Span))
                {
                    changes += batch.Changes.Length;
                    batch.Release();
                }
            }
        });
        if (changes != stream.Changes)
            throw new InvalidOperationException($"{place.Name}: {changes} changes came back of {stream.Changes}.");
        return new SpillRun(place.Name, stream.RawBytes, await place.EndAsync(cancellationToken), write, read);
    }

    static async Task<Leg> TimeAsync(PostgresServer config, Func<Task> work)
    {
        var (node, server, began) = (ProcessUse.CpuSeconds(Environment.ProcessId), OfServer(config), Stopwatch.GetTimestamp());
        await work();
        return new Leg(Stopwatch.GetElapsedTime(began).TotalSeconds, ProcessUse.CpuSeconds(Environment.ProcessId) - node, OfServer(config) - server);
    }

    static double OfServer(PostgresServer server) => ProcessIdentity.Find(server.ProcessId!.Value) is { } process
        ? process.Children().Sum(c => ProcessUse.CpuSeconds(c.Id)) + ProcessUse.CpuSecondsOfChildren(process.Id)
        : 0;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Place}: stored {Stored / 1e6:F1} of {Raw / 1e6:F1} MB, write {Raw / 1e6 / Write.Seconds:F0} MB/s ({Write.Node:F2} s CPU here, {Write.Server:F2} s server), read {Raw / 1e6 / Read.Seconds:F0} MB/s ({Read.Node:F2} s, {Read.Server:F2} s)");
}
