using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Changes;

namespace Rosetta.Core.Tests.Changes;

/// <summary>Tuples in pgoutput's TupleData form, and relations to go with them.</summary>
static class Tuples
{
    public static Relation Relation(string name, uint id = 1) =>
        new(id, "public", name, ReplicaIdentity.Default, [new RelationColumn("id", 20, -1, true), new RelationColumn("text", 25, -1, false)]);

    public const string Null = "(null)";
    public const string Unchanged = "(unchanged)";

    /// <summary>Values as text, or <see cref="Null"/>, or <see cref="Unchanged"/>.</summary>
    public static byte[] Text(params string[] values)
    {
        var bytes = new List<byte>();
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt16BigEndian(number, (short)values.Length);
        bytes.AddRange(number[..2]);
        foreach (var value in values)
        {
            if (value is Null or Unchanged)
            {
                bytes.Add((byte)(value is Null ? ValueKind.Null : ValueKind.Unchanged));
                continue;
            }

            var encoded = Encoding.UTF8.GetBytes(value);
            bytes.Add((byte)ValueKind.Text);
            BinaryPrimitives.WriteInt32BigEndian(number, encoded.Length);
            bytes.AddRange(number);
            bytes.AddRange(encoded);
        }

        return [.. bytes];
    }

    /// <summary>The values of a tuple, as <see cref="Text"/> takes them.</summary>
    public static string[] Read(ChangeBatch batch, int offset)
    {
        var reader = new TupleReader(batch.Bytes, offset);
        var values = new string[reader.Columns];
        while (reader.Read())
        {
            values[reader.Column] = reader.Kind switch
            {
                ValueKind.Null => Null,
                ValueKind.Unchanged => Unchanged,
                _ => Encoding.UTF8.GetString(reader.Value),
            };
        }

        return values;
    }
}
