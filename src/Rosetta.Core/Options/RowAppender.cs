using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Options;

/// <summary>
/// Appends the same values to every row of a stream in COPY's binary or text form (PostgreSQL manual, "COPY"), wherever the pieces it comes in are cut.
/// </summary>
sealed class RowAppender
{
    /// <summary>Signature and flags; the length of what follows is the header's last number.</summary>
    const int HeaderLength = 19;

    readonly bool _isBinary;
    readonly byte[] _added;
    readonly int _columns;
    readonly ArrayBufferWriter<byte> _output = new(64 * 1024);
    readonly byte[] _number = new byte[HeaderLength];
    Part _part = Part.Header;
    int _have;
    long _rest;
    int _columnsLeft;

    enum Part
    {
        Header,
        Extension,
        Count,
        Length,
        Value,
        Trailer,
    }

    public RowAppender(CopyFormat format, Lsn? lsn, string? operation)
    {
        _isBinary = format == CopyFormat.Binary;
        var added = new ArrayBufferWriter<byte>();
        if (lsn is { } at)
            Add(added, at.ToString(), (long)at.Value);
        if (operation is not null)
            Add(added, operation, null);
        _added = added.WrittenSpan.ToArray();
        _columns = (lsn is null ? 0 : 1) + (operation is null ? 0 : 1);
    }

    /// <summary>A piece with what was appended; valid until the next call.</summary>
    public ReadOnlyMemory<byte> Append(ReadOnlySpan<byte> piece)
    {
        _output.ResetWrittenCount();
        if (_isBinary)
            AppendBinary(piece);
        else
            AppendText(piece);
        return _output.WrittenMemory;
    }

    void Add(ArrayBufferWriter<byte> added, string text, long? number)
    {
        if (!_isBinary)
        {
            added.Write("\t"u8);
            added.Write(Encoding.UTF8.GetBytes(text));
            return;
        }

        var value = number is { } n ? new byte[sizeof(long)] : Encoding.UTF8.GetBytes(text);
        if (number is { } whole)
            BinaryPrimitives.WriteInt64BigEndian(value, whole);
        BinaryPrimitives.WriteInt32BigEndian(added.GetSpan(4), value.Length);
        added.Advance(4);
        added.Write(value);
    }

    // A line feed inside a value is escaped, so each one ends a row.
    void AppendText(ReadOnlySpan<byte> piece)
    {
        while (piece.IndexOf((byte)'\n') is >= 0 and var end)
        {
            _output.Write(piece[..end]);
            _output.Write(_added);
            _output.Write("\n"u8);
            piece = piece[(end + 1)..];
        }

        _output.Write(piece);
    }

    void AppendBinary(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            switch (_part)
            {
                case Part.Header when Take(ref piece, HeaderLength):
                    _output.Write(_number.AsSpan(0, HeaderLength));
                    _rest = BinaryPrimitives.ReadInt32BigEndian(_number.AsSpan(HeaderLength - 4));
                    _part = _rest > 0 ? Part.Extension : Part.Count;
                    break;
                case Part.Count when Take(ref piece, 2):
                    BeginRow(BinaryPrimitives.ReadInt16BigEndian(_number));
                    break;
                case Part.Length when Take(ref piece, 4):
                    _output.Write(_number.AsSpan(0, 4));
                    _rest = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_number));
                    _part = Part.Value;
                    if (_rest == 0)
                        EndValue();
                    break;
                case Part.Extension or Part.Value:
                    var length = (int)Math.Min(_rest, piece.Length);
                    _output.Write(piece[..length]);
                    piece = piece[length..];
                    _rest -= length;
                    if (_rest == 0 && _part == Part.Extension)
                        _part = Part.Count;
                    else if (_rest == 0)
                        EndValue();
                    break;
                case Part.Trailer:
                    _output.Write(piece);
                    return;
            }
        }
    }

    void BeginRow(short columns)
    {
        // -1 ends the stream.
        BinaryPrimitives.WriteInt16BigEndian(_output.GetSpan(2), columns < 0 ? columns : (short)(columns + _columns));
        _output.Advance(2);
        _columnsLeft = columns;
        _part = columns < 0 ? Part.Trailer : Part.Length;
        if (columns == 0)
            EndRow();
    }

    void EndValue()
    {
        _part = Part.Length;
        if (--_columnsLeft == 0)
            EndRow();
    }

    void EndRow()
    {
        _output.Write(_added);
        _part = Part.Count;
    }

    /// <summary>Gathers a number that may be cut; true when it is whole.</summary>
    bool Take(ref ReadOnlySpan<byte> piece, int length)
    {
        var taken = Math.Min(length - _have, piece.Length);
        piece[..taken].CopyTo(_number.AsSpan(_have));
        piece = piece[taken..];
        _have += taken;
        if (_have < length)
            return false;
        _have = 0;
        return true;
    }
}
