using Rosetta.Core.Chunks;
using Rosetta.Core.Errors;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Snapshot;

namespace Rosetta.Postgres.Destination;

// Tables that are compared as a whole.
sealed partial class PostgresSession
{
    public async Task<IWholeDigest?> OpenWholeAsync(ChunkedCopy copy, string form, CancellationToken cancellationToken)
    {
        var source = copy.Route.Source;
        if (_stored.GetValueOrDefault(source)?.Table is not { Streams: true, Copying: null })
            throw new FaultException(NotStreaming(copy));
        var connection = await OpenAnotherAsync(cancellationToken);
        try
        {
            var target = await TargetCatalog.ReadAsync(connection, copy.Route.Target, cancellationToken)
                ?? throw new FaultException(new Fault(
                    ErrorClass.Table, $"Table {copy.Route.Target} is missing at the destination.", $"POST /api/v1/pipelines/{_opening.PipelineId}/resync makes it again."));
            if (await DigestSql.DescribeAsync(connection, target.Oid, copy.Table, cancellationToken) is { } sql && sql.Form == form)
            {
                var watch = new KeyWatch();
                SetWatch(source, watch);
                return new WholeDigest(connection, sql.ReadWhole(target.OnlySql, "true"), watch, Streamed, () => SetWatch(source, null));
            }

            await connection.DisposeAsync();
            return null;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
