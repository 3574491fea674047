using System.Buffers.Binary;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>Reads the server's answer to one simple query, or to one member of an extended group.</summary>
struct ResultReader(PgConnection connection)
{
    List<PgColumn>? _columns;
    List<byte[]?[]>? _rows;

    /// <summary>
    /// Reads up to and with ReadyForQuery. Of several statements in one text the last one's result counts, unless one failed.
    /// </summary>
    public async ValueTask<PgResult> SimpleAsync(bool isCopyIn, CancellationToken cancellationToken)
    {
        PgResult result = PgResult.Empty;
        bool copyBegan = false;
        while (true)
        {
            WireMessage message = await connection.NextAsync(cancellationToken);
            switch (message.Code)
            {
                case Backend.ReadyForQuery when isCopyIn && !copyBegan && result.Error is null:
                    throw new InvalidOperationException("The statement of a COPY-in operation must be COPY ... FROM STDIN.");
                case Backend.ReadyForQuery:
                    return result;
                case Backend.CopyInResponse when isCopyIn && !copyBegan:
                    copyBegan = true;
                    break;
                case Backend.CopyInResponse or Backend.CopyOutResponse or Backend.CopyBothResponse:
                    throw new InvalidOperationException("A COPY statement needs the operation made for it (CopyIn, CopyOut, CopyBoth), and one COPY FROM STDIN only.");
                case Backend.Error:
                    result = PgResult.Failed(PgConnection.ErrorOf(message));
                    break;
                default:
                    result = Take(message) ?? result;
                    break;
            }
        }
    }

    /// <summary>Reads the answer to Parse.</summary>
    public readonly async ValueTask<PgResult> ParseAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            WireMessage message = await connection.NextAsync(cancellationToken);
            if (message.Code == Backend.ParseComplete)
                return PgResult.Empty;
            if (message.Code == Backend.Error)
                return PgResult.Failed(PgConnection.ErrorOf(message));
            throw connection.Unexpected(message, "after Parse");
        }
    }

    /// <summary>Reads the answer to Bind and Execute.</summary>
    public async ValueTask<PgResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            WireMessage message = await connection.NextAsync(cancellationToken);
            if (message.Code == Backend.Error)
                return PgResult.Failed(PgConnection.ErrorOf(message));
            if (message.Code != Backend.BindComplete && Take(message) is PgResult result)
                return result;
        }
    }

    /// <summary>Takes one message in; returns a result when it completes a statement.</summary>
    PgResult? Take(WireMessage message)
    {
        switch (message.Code)
        {
            case Backend.RowDescription:
                _columns = Columns(message.Body);
                return null;
            case Backend.DataRow:
                (_rows ??= []).Add(Row(message.Body));
                return null;
            case Backend.NoData:
                return null;
            case Backend.EmptyQuery:
                return PgResult.Empty;
            case Backend.CommandComplete:
                PgResult result = PgResult.Completed(message.Body, _columns ?? (IReadOnlyList<PgColumn>)[], _rows ?? (IReadOnlyList<byte[]?[]>)[]);
                _columns = null;
                _rows = null;
                return result;
            case Backend.CopyData or Backend.CopyDone:
                return null;
            default:
                throw connection.Unexpected(message, "as the answer to a statement");
        }
    }

    static List<PgColumn> Columns(ReadOnlySpan<byte> body)
    {
        int count = BinaryPrimitives.ReadInt16BigEndian(body);
        var columns = new List<PgColumn>(count);
        body = body[2..];
        for (int i = 0; i < count; i++)
        {
            int end = body.IndexOf((byte)0);
            ReadOnlySpan<byte> rest = body[(end + 1)..];
            columns.Add(new PgColumn(
                Encoding.UTF8.GetString(body[..end]), BinaryPrimitives.ReadUInt32BigEndian(rest[6..]), BinaryPrimitives.ReadInt16BigEndian(rest[16..]) == 1));
            body = rest[18..];
        }

        return columns;
    }

    static byte[]?[] Row(ReadOnlySpan<byte> body)
    {
        byte[]?[] row = new byte[BinaryPrimitives.ReadInt16BigEndian(body)][];
        body = body[2..];
        for (int i = 0; i < row.Length; i++)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(body);
            body = body[4..];
            if (length < 0)
                continue;
            row[i] = body[..length].ToArray();
            body = body[length..];
        }

        return row;
    }
}
