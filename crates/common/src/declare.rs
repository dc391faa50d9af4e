//! The macro that declares a model and its members in one place.

/// Declares a model: the struct that a record is read into, and its [`Model`](crate::Model)
/// implementation.
///
/// Each line declares a member: the name, the type and an example. `index` (for an id) or
/// `unique` (for a text that no two records share) means that lists can be filtered by the
/// member. `as` gives the name in JSON if it differs from the field's name. `owner` marks the
/// member that holds the id of the user who owns the record; on the line of `id` it means that
/// each record is a user and owns itself.
macro_rules! model {
    (
        $(#[$doc:meta])*
        $model:ident in $collection:literal, one $singular:literal {
            $(#[$id_doc:meta])*
            id: $id:ty $(, $mark_of_id:ident)?;
            $(
                $(#[$member_doc:meta])*
                $member:ident $(as $name:tt)?: $type:ty, example $example:expr $(, $mark:ident)*;
            )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        pub struct $model {
            $(#[$id_doc])*
            #[schema(inline, required, nullable = false, read_only)]
            pub id: $id,
            $(
                $(#[$member_doc])*
                #[schema(inline)]
                $(#[serde(rename = $name)])?
                pub $member: $type,
            )*
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "createdAt")]
            #[schema(inline, nullable = false, read_only)]
            pub created_at: Option<crate::Timestamp>,
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "updatedAt")]
            #[schema(inline, nullable = false, read_only)]
            pub updated_at: Option<crate::Timestamp>,
        }

        impl crate::Model for $model {
            const COLLECTION: &'static str = $collection;
            const SINGULAR: &'static str = $singular;
            const MEMBERS: &'static [crate::Member<Self>] = &[$(
                crate::Member {
                    name: model!(@name $member $($name)?),
                    check: <$type as crate::MemberValue>::check,
                    index: model!(@index $member $($mark)*),
                    example: || serde_json::json!($example),
                },
            )*];
            const OWNER: crate::Owner = crate::Owner::marked(&[
                $(model!(@owner_of_itself $mark_of_id),)?
                $(model!(@owner ($member $($name)?) $($mark)*),)*
            ]);

            fn id(&self) -> Option<crate::Id<Self>> {
                self.id.into()
            }
        }
    };
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $name:tt) => { $name };
    (@index $member:ident) => { None };
    (@index $member:ident owner $($others:ident)*) => { model!(@index $member $($others)*) };
    (@index $member:ident index $(owner)?) => {
        Some(crate::Index::Id(|record| record.$member.get()))
    };
    (@index $member:ident unique) => { Some(crate::Index::Unique(|record| &record.$member)) };
    (@owner_of_itself owner) => { Some(crate::Owner::Itself) };
    (@owner $names:tt) => { None };
    (@owner ($($names:tt)+) owner $($others:ident)*) => {
        Some(crate::Owner::Member(model!(@name $($names)+)))
    };
    (@owner $names:tt $other:ident $($others:ident)*) => { model!(@owner $names $($others)*) };
}

pub(crate) use model;
