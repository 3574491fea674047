using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

namespace Rosetta.Transforms.Rewriting;

/// <summary>The source's catalog as a destination behind transforms is to see it.</summary>
sealed class TransformedSchema(ISourceSchema source, Func<TableDescription, TableDescription> describe) : ISourceSchema
{
    public async Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) =>
        await source.DescribeAsync(table, cancellationToken).ConfigureAwait(false) is { } found ? describe(found) : null;
}
