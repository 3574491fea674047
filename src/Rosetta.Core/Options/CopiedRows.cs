using System.Runtime.CompilerServices;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Options;

/// <summary>A copy's rows with the columns that options add: the same values at the end of each. Bytes in, bytes out.</summary>
public sealed class CopiedRows : ICopySource
{
    readonly ICopySource _rows;
    readonly RowAppender _appender;

    CopiedRows(ICopySource rows, IEnumerable<string> added, RowAppender appender)
    {
        _rows = rows;
        _appender = appender;
        ColumnNames = [.. rows.ColumnNames, .. added];
    }

    /// <param name="at">The position of the snapshot they are of.</param>
    public static ICopySource Of(ICopySource rows, TableOptions options, CopyFormat format, Lsn at)
    {
        string[] names = [.. new[] { options.LsnColumn, options.OperationColumn }.OfType<string>()];
        return names.Length == 0
            ? rows
            : new CopiedRows(rows, names, new RowAppender(format, options.LsnColumn is null ? null : at, options.OperationColumn is null ? null : TableOptions.CopyOperation));
    }

    public IReadOnlyList<string> ColumnNames { get; }

    public long? Rows => _rows.Rows;

    /// <inheritdoc/>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var piece in _rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            yield return _appender.Append(piece.Span);
    }
}
