using Rosetta.Core.Positions;
using Rosetta.Core.Spill;

namespace Rosetta.Actors.Tests.Spill;

/// <summary>One log in memory that keeps the rules of the contract.</summary>
sealed class MemorySpillStore : ISpillStore
{
    readonly List<(Lsn? Through, int Transactions, byte[] Payload)> _parts = [];
    Lsn _from;
    Lsn _through;
    bool _isOpened;

    /// <summary>What is there, in order.</summary>
    public IEnumerable<byte[]> Payloads => _parts.Select(p => p.Payload);

    public Task<SpillExtent?> OpenAsync(SpillLog log, long epoch, CancellationToken cancellationToken)
    {
        while (_parts is [.., { Through: null }])
            _parts.RemoveAt(_parts.Count - 1);
        _isOpened = true;
        return Task.FromResult(Extent(log));
    }

    public Task<SpillExtent> AppendAsync(SpillLog log, long epoch, Lsn from, SpillPart part, CancellationToken cancellationToken)
    {
        if (!_isOpened)
            throw new InvalidOperationException("The log is to be opened first.");
        if (_parts.Count == 0)
            (_from, _through) = (from, from);
        if (part.Through is { } through)
            _through = through >= _through ? through : throw new InvalidOperationException($"The log would go back from {_through} to {through}.");
        _parts.Add((part.Through, part.Transactions, part.Payload.ToArray()));
        return Task.FromResult(Extent(log)!);
    }

    public Task<StoredPart?> ReadAsync(SpillLog log, long after, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<SpillExtent?> RemoveAsync(SpillLog log, long epoch, Lsn position, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task AbandonAsync(SpillLog log, long epoch, string reason, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<SpillExtent>> ListAsync(long pipelineId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<long> RemoveLeftoversAsync(long pipelineId, long epoch, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    SpillExtent? Extent(SpillLog log) => _parts.Count == 0
        ? null
        : new SpillExtent(log, _from, _through, _parts.Count, _parts.Sum(p => p.Transactions), _parts.Sum(p => p.Payload.Length), _parts.Sum(p => p.Payload.Length), DateTimeOffset.UnixEpoch, null);
}
