using Rosetta.Bench.Stage;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Configuration;
using Rosetta.Store.Spill;

namespace Rosetta.Bench.Spilling;

/// <summary>Where parts are kept.</summary>
interface ISpillPlace
{
    string Name { get; }

    Task BeginAsync(CancellationToken cancellationToken);

    Task AppendAsync(SpillPart part, CancellationToken cancellationToken);

    /// <summary>The next payload; null: there is none.</summary>
    Task<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Empties it.</summary>
    /// <returns>Bytes that were stored.</returns>
    Task<long> EndAsync(CancellationToken cancellationToken);
}

/// <summary>The spill log as it is.</summary>
sealed class DatabasePlace(BenchDatabases databases, ConfigDatabase config, IPartCompression compression) : ISpillPlace
{
    readonly ConfigSpillStore _store = new(config, compression);
    SpillLog _log = null!;
    SpillExtent? _extent;
    long _read;

    public string Name => $"config database, {compression.Method}";

    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        var generation = await databases.Config.ScalarAsync<Guid>("SELECT generation FROM pipeline_destinations", "rosetta", cancellationToken);
        _log = new SpillLog(1, 1, generation);
        await _store.OpenAsync(_log, 1, cancellationToken);
        await databases.Config.ExecuteAsync("CHECKPOINT", "rosetta", cancellationToken);
        _read = 0;
    }

    public async Task AppendAsync(SpillPart part, CancellationToken cancellationToken) => _extent = await _store.AppendAsync(_log, 1, Lsn.Zero, part, cancellationToken);

    public async Task<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        if (await _store.ReadAsync(_log, _read, cancellationToken) is not { } part)
            return null;
        _read = part.Sequence;
        return part.Part.Payload;
    }

    public async Task<long> EndAsync(CancellationToken cancellationToken)
    {
        await _store.RemoveAsync(_log, 1, Lsn.Max, cancellationToken);
        await databases.Config.ExecuteAsync("VACUUM spill_parts", "rosetta", cancellationToken);
        return _extent!.Bytes;
    }
}

/// <summary>A file that grows, on the same disk.</summary>
sealed class FilePlace(string folder, IPartCompression compression) : ISpillPlace
{
    FileStream _file = null!;

    public string Name => $"files, {compression.Method}";

    public Task BeginAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        _file = new FileStream(Path.Combine(folder, "log"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        return Task.CompletedTask;
    }

    public async Task AppendAsync(SpillPart part, CancellationToken cancellationToken)
    {
        var stored = System.Buffers.ArrayPool<byte>.Shared.Rent(compression.Bound(part.Payload.Length) + 8);
        var length = compression.Compress(part.Payload.Span, stored.AsSpan(8));
        BitConverter.TryWriteBytes(stored, length);
        BitConverter.TryWriteBytes(stored.AsSpan(4), part.Payload.Length);
        await _file.WriteAsync(stored.AsMemory(0, length + 8), cancellationToken);
        System.Buffers.ArrayPool<byte>.Shared.Return(stored);
        _file.Flush(flushToDisk: true);
        _end = _file.Length;
        _at = 0;
    }

    long _at;
    long _end;

    public async Task<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        if (_at == _end)
            return null;
        _file.Position = _at;
        var head = new byte[8];
        await _file.ReadExactlyAsync(head, cancellationToken);
        var stored = new byte[BitConverter.ToInt32(head)];
        await _file.ReadExactlyAsync(stored, cancellationToken);
        _at = _file.Position;
        return compression.Decompress(stored, BitConverter.ToInt32(head, 4));
    }

    public Task<long> EndAsync(CancellationToken cancellationToken)
    {
        _file.Dispose();
        File.Delete(Path.Combine(folder, "log"));
        return Task.FromResult(_end);
    }
}
