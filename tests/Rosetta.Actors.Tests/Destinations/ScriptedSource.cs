using Rosetta.Actors.Replication;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Tests.Destinations;

/// <summary>A source that has been taken over; nothing is copied from it and no lane has a stream of its own.</summary>
sealed class ScriptedSource : ILaneSource, ISourceSchema
{
    public ISourceSchema Schema => this;

    public Task WhenReady(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<Lsn> ResumeAtAsync(long destinationId, Lsn position, CancellationToken cancellationToken) => Task.FromResult(position);

    public Task<ITableSnapshot> ExportSnapshotAsync(
        long destinationId, int readers, Action<string?> waiting, TableName? held, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<TableExtra>> ReadExtrasAsync(TableName table, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<TableExtra>>([]);

    public Task<IChunkSource> OpenChunksAsync(long destinationId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task StreamCopyAsync(long destinationId, Lsn from, IChangeConsumer consumer, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) => Task.FromResult<TableDescription?>(null);
}
