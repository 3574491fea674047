using System.Data;
using System.Text.Json;
using Dapper;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.Positions;

namespace Rosetta.Store.Configuration;

/// <summary>How our types and the columns' types meet: Dapper's settings, and JSON as the database writes it.</summary>
static class StoreTypes
{
    /// <summary>snake_case on both sides; what jsonb_build_object and jsonb_to_recordset use.</summary>
    public static readonly JsonSerializerOptions Json = MakeJson();

    static readonly Lazy<bool> Registered = new(() =>
    {
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        SqlMapper.AddTypeHandler(new LsnHandler());
        return true;
    });

    public static void Register() => _ = Registered.Value;

    /// <summary>PostgreSQL's text and jsonb hold no U+0000; error texts that quote one would not be stored at all.</summary>
    public static string? Storable(string? text) => text?.Replace('\0', '\uFFFD');

    static JsonSerializerOptions MakeJson()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
        options.Converters.Add(new LsnConverter());
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    sealed class LsnHandler : SqlMapper.TypeHandler<Lsn>
    {
        public override Lsn Parse(object value) => new((ulong)(NpgsqlLogSequenceNumber)value);

        public override void SetValue(IDbDataParameter parameter, Lsn value)
        {
            parameter.Value = new NpgsqlLogSequenceNumber(value.Value);
            ((NpgsqlParameter)parameter).NpgsqlDbType = NpgsqlDbType.PgLsn;
        }
    }

    sealed class LsnConverter : System.Text.Json.Serialization.JsonConverter<Lsn>
    {
        public override Lsn Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Lsn.Parse(reader.GetString()!);

        public override void Write(Utf8JsonWriter writer, Lsn value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
